"""What every dialog is."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Above the screen that asks; it ends once, whatever else was on its way to it.

    Textual would take away the screen on view in its place, and the program with the last one. What it ends with while
    another is above it is kept until that is gone.
    """

    _ended_with: tuple[Result | None] | None = None

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """With a result for who asked."""
        if self.is_active:
            return super().dismiss(result)
        self._ended_with = (result,)
        return AwaitComplete()

    def on_screen_resume(self) -> None:
        """On view again, or for the first time."""
        if self._ended_with is not None and self.is_active:
            _ = super().dismiss(*self._ended_with)
