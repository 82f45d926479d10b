"""The program's colours, in one place. Each has a word or a sign beside it wherever it means something."""

from textual.theme import Theme

AMBER = "#d9a05b"
BLUE = "#7aa7d9"
INK = "#15171c"
PAPER = "#d8d4cc"

# For cells; the same three carry the theme below.
GOOD = "#8fb573"
ATTENTION = "bold #e5b567"
BAD = "bold #e8836b"
FAINT = "dim"

THEME = Theme(
    name="cask",
    primary=AMBER,
    secondary=BLUE,
    accent=AMBER,
    warning="#e5b567",
    error="#e8836b",
    success=GOOD,
    foreground=PAPER,
    background=INK,
    surface=INK,
    panel="#20242c",
    dark=True,
    variables={
        "border": "#3a404c",
        "block-cursor-background": AMBER,
        "block-cursor-foreground": INK,
        "block-cursor-text-style": "none",
        "footer-background": INK,
        "footer-key-foreground": AMBER,
        "footer-description-foreground": "#9a968e",
        "input-selection-background": f"{BLUE} 35%",
    },
)
