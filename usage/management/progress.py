"""The progress bar of commands that take a while."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.progress import TimeRemainingColumn as TimeRemaining
from rich.text import Text


class Speed(ProgressColumn):
    """How many things are done, the task's field `done`, and how many a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        done = task.fields["done"]
        return Text(f"{done:,} {self.unit}, {done / (task.elapsed or 1):,.0f}/s")


def progress_bar(unit: str) -> Progress:
    """A bar on standard error for tasks whose field `done` counts `unit`; silent without a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        Speed(unit),
        TimeRemaining(),
        console=console,
        disable=not console.is_terminal,
    )
