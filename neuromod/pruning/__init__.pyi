from . import magnitude as magnitude
from .magnitude import Pruning as Pruning
from .magnitude import prune as prune
from .packets import PacketPruning as PacketPruning
from .packets import prune_packets as prune_packets
