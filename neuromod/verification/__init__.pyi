from . import runners as runners
from .outcome import Verification as Verification
from .outcome import verify as verify
