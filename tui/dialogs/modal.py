"""What every dialog is."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Above the screen that asks; it ends once, whatever else was on its way to it.

    Textual would take away the screen on view in its place, and the program with the last one.
    """

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """With a result for who asked."""
        return super().dismiss(result) if self.is_active else AwaitComplete()
