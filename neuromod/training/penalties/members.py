"""The members of the family of wiring costs, without PyTorch: what `neuromod.training.penalties.family` computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Regularizer:
    """A member of the family.

    Parameters
    ----------
    price : {"free", "even", "distance", "communicability"}
        What a recurrent weight costs.
    swaps : bool
        Whether neurons swap places.
    masked : bool
        Whether weights beyond ``wiring.reach`` do not exist.
    """

    price: Literal["free", "even", "distance", "communicability"]
    swaps: bool = False
    masked: bool = False

    @property
    def depends_on_weights(self) -> bool:
        """Whether prices are to be computed anew in every step."""
        return self.price == "communicability"


# Name, as ``wiring.regularizer`` takes it -> what it does; settings, messages and steps of training follow from it.
FAMILY = {
    "bimt": Regularizer("distance", swaps=True),
    "l1": Regularizer("even"),
    "l1-local": Regularizer("distance"),
    "l1-swap": Regularizer("even", swaps=True),
    "sernn": Regularizer("communicability"),
    "lm-rnn": Regularizer("free", masked=True),
    "none": Regularizer("free"),
}
