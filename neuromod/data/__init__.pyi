from . import facts as facts
from . import storage as storage
from .reading import read_trials as read_trials
from .storage import attached as attached
from .storage import with_data as with_data
