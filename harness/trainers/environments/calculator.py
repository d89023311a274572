"""The calculator: it writes the result behind every `expression =` of the policy."""

from dataclasses import dataclass

from rewards.calculator import asked


@dataclass(frozen=True)
class Calculator:
    """` 28` behind `4 * 7 =`, `28>>` behind `<<4*7=`, `error` where zero divides; `rewards.calculator` reads."""

    def respond(self, text: str) -> str | None:
        """The result as exact text, after a blank where one stands before the sign."""
        call = asked(text)
        if call is None:
            return None
        return " " * text.endswith(" =") + call.result + ">>" * call.annotated
