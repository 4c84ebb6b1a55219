"""Azure's error bodies, where they are not OpenAI's: codes are numbers in quotes."""

from gantry.simulator.exchange import Answer, json_answer

_KINDS: dict[int, tuple[str, str]] = {
    401: (
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource.",
    ),
    403: ("AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."),
    404: ("404", "Resource not found"),
    408: ("Timeout", "The operation was timeout."),
    429: ("429", "Requests have exceeded the rate limit of your current pricing tier. Please retry after 2 seconds."),
    500: ("InternalServerError", "Backend returned unexpected response. Please contact Microsoft for help."),
    503: ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later."),
}


def error(status: int, code: str = "", message: str = "") -> Answer:
    usual = _KINDS.get(status, (str(status), "Simulated error."))
    return json_answer({"error": {"code": code or usual[0], "message": message or usual[1]}}, status)


def no_deployment() -> Answer:
    text = (
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes,"
    )
    return error(404, "DeploymentNotFound", f"{text} please wait a moment and try again.")


def simulated(status: int, code: str = "") -> Answer:
    """Return the error a fault asked for, or a JSON object where the status is no error."""
    return json_answer({"simulated": True}, status) if status < 300 else error(status, code)


def filtered() -> Answer:
    """Return the refusal of a prompt by the content filter, as the fault `refusal` asks for."""
    found = {
        name: {"filtered": name == "violence", "severity": "high" if name == "violence" else "safe"} for name in KINDS
    }
    message = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": found}
    fields = {"message": message, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    return json_answer({"error": {**fields, "innererror": inner}}, 400)


KINDS = ("hate", "self_harm", "sexual", "violence")
