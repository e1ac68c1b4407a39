from . import facts as facts
from . import storage as storage
from .event_counts import as_counts as as_counts
from .event_counts import encoding_of as encoding_of
from .reading import read_trials as read_trials
from .storage import attached as attached
from .storage import with_data as with_data
