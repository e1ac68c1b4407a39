"""The graph of the cores as GraphML: what each holds and how many packets go from one to the other."""

from __future__ import annotations

from pathlib import Path

from neuromod.files import replacing
from neuromod.hardware import Traffic
from neuromod.mapping import Placement


def write_graphml(path: Path, placement: Placement, traffic: Traffic) -> None:
    """Write the graph of the cores.

    Nodes are named ``row,column`` and have `row`, `column` and `neurons`; directed edges have `packets_per_step` and
    `hops`.

    Parameters
    ----------
    path : Path
        The file.
    placement : Placement
        What lies on the cores.
    traffic : Traffic
        Packets between them.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    import networkx as nx

    grid = placement.grid
    names = [f"{row},{column}" for row, column in grid.coordinates()]
    graph = nx.DiGraph(grid=str(grid), target=placement.target, placer=placement.placer)
    for name, (row, column), neurons in zip(names, grid.coordinates().tolist(), placement.neurons_on, strict=True):
        graph.add_node(name, row=row, column=column, neurons=int(neurons))
    source, receiver, load = traffic.pairs()
    hops = grid.hops(source, receiver)
    for edge in zip(source.tolist(), receiver.tolist(), load.tolist(), hops.tolist(), strict=True):
        graph.add_edge(names[edge[0]], names[edge[1]], packets_per_step=edge[2], hops=edge[3])
    with replacing(path) as temporary:
        nx.write_graphml(graph, temporary)
