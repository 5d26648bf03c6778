"""Draws the images of this example: ``python draw.py`` writes them to ``images/``."""

from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 224
RED, BLUE, GREEN = (214, 40, 40), (40, 80, 220), (40, 160, 60)


def draw(name: str, *things: tuple[str, tuple[int, int, int], int, int]) -> None:
    image = Image.new("RGB", (SIZE, SIZE), (240, 240, 235))
    pen = ImageDraw.Draw(image)
    for shape, color, x, y in things:
        box = (x - 26, y - 26, x + 26, y + 26)
        if shape == "circle":
            pen.ellipse(box, fill=color)
        else:
            pen.rectangle(box, fill=color)
    image.save(Path(__file__).parent / "images" / name)


if __name__ == "__main__":
    draw("pair.png", ("circle", RED, 60, 110), ("square", BLUE, 165, 112))
    draw("three.png", ("square", GREEN, 50, 50), ("square", RED, 170, 60), ("circle", BLUE, 110, 165))
