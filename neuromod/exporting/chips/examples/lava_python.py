"""Let Lava 0.10.0, which was made for Python 3.10, be imported by Python 3.11 and later."""

import dataclasses
import sys


def prepare():
    """Give defaults of Lava's dataclasses a hash: since 3.11 one without counts as mutable and is refused."""
    if sys.version_info < (3, 11):  # noqa: UP036  other Pythons than ours run this
        return
    get_field = dataclasses._get_field

    def patient(cls, name, kind, keyword_only):
        try:
            return get_field(cls, name, kind, keyword_only)
        except ValueError as error:
            if "mutable default" not in str(error):
                raise
        default = getattr(cls, name)
        default = default.default if isinstance(default, dataclasses.Field) else default
        type(default).__hash__ = object.__hash__
        return get_field(cls, name, kind, keyword_only)

    dataclasses._get_field = patient
