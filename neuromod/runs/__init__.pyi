from . import commands as commands
from . import locks as locks
from . import run as run
from .commands import COMMANDS as COMMANDS
from .run import STEPS as STEPS
from .run import Run as Run
from .run import State as State
