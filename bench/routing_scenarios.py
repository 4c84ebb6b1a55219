"""x"""

from bench.workshop import Workshop


def pages(shop: Workshop) -> list[str]:
    return []
