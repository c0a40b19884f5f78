"""Draws the pictures of docs/shapes.md and docs/shapes.zh.md: python docs/shapes/draw.py"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

INPUT, STATE, OUTPUT = "#dbe9f6", "#d9f0d3", "#fde0c5"
STEP, FLOOR = 1.5, 1.25  # between two columns, and between two rows


class Drawing:
    """Boxes on a grid, and arrows between them."""

    def __init__(self, columns: int) -> None:
        self.figure = Figure(figsize=(0.9 * columns + 0.3, 3.1))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(-0.7, STEP * (columns - 1) + 0.7), ylim=(-0.5, 2 * FLOOR + 0.5))
        self.axes.axis("off")

    def box(self, column: float, row: int, text: str, colour: str) -> None:
        x, y = STEP * column, FLOOR * row
        shape = FancyBboxPatch((x - 0.42, y - 0.27), 0.84, 0.54, boxstyle="round,pad=0.04", fc=colour, ec="#555555")
        self.axes.add_patch(shape)
        self.axes.text(x, y, text, ha="center", va="center", fontsize=13)

    def arrow(self, start: tuple[float, int], end: tuple[float, int], *, dashed: bool = False) -> None:
        (left, low), (right, high) = start, end
        across, up = (right > left) - (right < left), (high > low) - (high < low)
        side = 0.5 if not up else 0.0
        if up and across:
            side = 0.25
        begin = STEP * left + side * across, FLOOR * low + 0.34 * up
        finish = STEP * right - side * across, FLOOR * high - 0.34 * up
        style = "dashed" if dashed else "solid"
        self.axes.add_patch(
            FancyArrowPatch(begin, finish, arrowstyle="-|>", mutation_scale=13, lw=1.3, ls=style, color="#333333")
        )

    def steps(self, inputs: list[str], outputs: list[str], states: list[str] | None = None, start: int = 0) -> None:
        """A row of states; "" stands for no input or no output."""
        for place, (read, written) in enumerate(zip(inputs, outputs, strict=True)):
            column = start + place
            self.box(column, 1, (states or [f"$h_{n + 1}$" for n in range(len(inputs))])[place], STATE)
            if place:
                self.arrow((column - 1, 1), (column, 1))
            if read:
                self.box(column, 0, read, INPUT)
                self.arrow((column, 0), (column, 1))
            if written:
                self.box(column, 2, written, OUTPUT)
                self.arrow((column, 1), (column, 2))

    def save(self, name: str) -> None:
        self.figure.savefig(Path(__file__).with_name(f"{name}.png"), dpi=110)


def main() -> None:
    drawing = Drawing(1)
    drawing.steps(["$x$"], ["$y$"], ["$h$"])
    drawing.save("one-to-one")

    drawing = Drawing(4)
    drawing.steps(["$c, y_0$", "$y_1$", "$y_2$", "$y_3$"], ["$y_1$", "$y_2$", "$y_3$", "stop"])
    for place in range(3):
        drawing.arrow((place, 2), (place + 1, 0), dashed=True)
    drawing.save("one-to-many")

    drawing = Drawing(4)
    drawing.steps([f"$x_{n}$" for n in range(1, 5)], ["", "", "", "$y$"])
    drawing.save("many-to-one")

    drawing = Drawing(4)
    drawing.steps([f"$x_{n}$" for n in range(1, 5)], [f"$y_{n}$" for n in range(1, 5)])
    drawing.save("many-to-many")

    drawing = Drawing(6)
    drawing.steps([f"$x_{n}$" for n in range(1, 4)], ["", "", ""])
    drawing.steps(["start", "$y_1$", "$y_2$"], ["$y_1$", "$y_2$", "stop"], [f"$s_{n}$" for n in range(1, 4)], start=3)
    drawing.arrow((2, 1), (3, 1))
    for place in (3, 4):
        drawing.arrow((place, 2), (place + 1, 0), dashed=True)
    drawing.save("encoder-decoder")


if __name__ == "__main__":
    main()
