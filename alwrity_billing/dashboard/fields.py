"""Fields that several forms have."""

import re

from django import forms

LONGEST_PERCENTAGES = 100
BETWEEN = re.compile(r"[\s,;%]+")


class PercentagesField(forms.CharField):
    """Whole percentages as people write them, "50, 80 %;100"; cleaned to a list."""

    def __init__(self, *, label: str, help_text: str) -> None:
        super().__init__(required=False, max_length=LONGEST_PERCENTAGES, label=label, help_text=help_text)

    def clean(self, value: object) -> list[int]:
        """The percentages that the text spells. Raises ValidationError for anything but digits."""
        words = [word for word in BETWEEN.split(super().clean(value)) if word]
        if not all(word.isascii() and word.isdecimal() for word in words):
            raise forms.ValidationError("Give whole percentages, such as 50, 80, 100.")
        return [int(word[:6]) for word in words]
