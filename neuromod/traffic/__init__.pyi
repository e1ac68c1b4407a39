from . import core_graph as core_graph
from . import report as report
from .energy_and_time import packets_between_chips as packets_between_chips
from .rent import fit_rent as fit_rent
from .report import TrafficReport as TrafficReport
from .report import estimate as estimate
