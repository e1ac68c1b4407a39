from . import checkpoints as checkpoints
from . import config as config
from . import loop as loop
from . import plan as plan
from .entry import train as train
from .on_cores.plan import Chip as Chip
from .own_loop.wiring import Wiring as Wiring
from .settings import Settings as Settings
