"""How a page is looked at: what it complains of, what axe finds, whether it fits, and how it looks."""

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import ConsoleMessage, Page, Request, Response
from playwright.sync_api import TimeoutError as TooLate

WIDTHS: Final = {"wide": 1440, "narrow": 390}
SCHEMES: Final = ("light", "dark")
KEPT: Final = {("wide", "light"), ("narrow", "dark")}  # of the four, so that the repository stays small
_QUALITY: Final = 72
_FITS_WITHIN: Final = 5000  # ms: what is made for another width is made anew
# When what a change set in motion has come to rest: colours fade, and half-faded they have no contrast.
_SETTLED: Final = """async () => {
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    const ending = document.getAnimations().filter(one => one.effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map(one => one.finished));
}"""
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


class Watch:
    """Collects complaints of pages: errors in the console, of scripts, of requests."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def over(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    def take(self, text: str) -> list[str]:
        """Return the complaints with this text in them, and forget them: they were expected."""
        taken = [one for one in self.complaints if text in one]
        self.complaints = [one for one in self.complaints if text not in one]
        return taken

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text} {message.location.get('url', '')}")

    def _on_failure(self, request: Request) -> None:
        if request.failure and "ERR_ABORTED" not in request.failure:  # a page that was left
            self.complaints.append(f"request: {request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"response: {response.url} {response.status}")


class Look:
    """Looks at a page. `axe` is the source of axe-core; `kept` where pictures go."""

    def __init__(self, axe: str, kept: Path | None) -> None:
        self._axe = axe
        self._kept = kept

    def __call__(self, page: Page, name: str) -> None:
        """Check a page, as it stands, in light and dark, wide and narrow."""
        page.mouse.move(0, 0)  # what hovering shows is not the page
        for width_name, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.wait_for_function(
                    "scheme => document.documentElement.dataset.mantineColorScheme === scheme", arg=scheme
                )
                page.evaluate(_SETTLED)
                self._check(page, f"{name}, {width_name}, {scheme}", width)
                if self._kept is not None and (width_name, scheme) in KEPT:
                    self._kept.mkdir(parents=True, exist_ok=True)
                    path = self._kept / f"{name}-{width_name}-{scheme}.jpg"
                    page.screenshot(path=path, type="jpeg", quality=_QUALITY, animations="disabled")
        page.set_viewport_size({"width": WIDTHS["wide"], "height": 900})

    def _check(self, page: Page, where: str, width: int) -> None:
        try:
            page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth", timeout=_FITS_WITHIN)
        except TooLate:
            wide = page.evaluate("document.documentElement.scrollWidth")
            raise AssertionError(f"{where}: the page is {wide} px wide, and the window {width}") from None
        self._bring_axe(page)
        found: list[dict[str, Any]] = page.evaluate(
            "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(found => found.violations)",
            _RULES,
        )
        told = [f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found]
        assert not told, f"{where}: {told}"

    def _bring_axe(self, page: Page) -> None:
        """Bring axe into the page by the debugger, which the content security policy does not bind."""
        if not page.evaluate("'axe' in window"):
            page.evaluate(self._axe + "; undefined")
