from .batch import Array as Array
from .batch import Trials as Trials
from .batch import decisions as decisions
from .batch import outputs as outputs
from .between import trials_between as trials_between
from .checks import MOST_ENTRIES as MOST_ENTRIES
from .checks import READOUTS as READOUTS
from .checks import SPLITS as SPLITS
