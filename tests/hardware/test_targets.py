"""Targets: what comes with neuromod is complete and sourced; what breaks the schema is refused by name."""

import math
from pathlib import Path

import pytest

from neuromod.errors import UsageError
from neuromod.hardware.resources import bits_of_synapse
from neuromod.hardware.target_files import load_target, parse_target, target_names
from neuromod.hardware.targets import FIGURES, UNKNOWN, Figure, Target

GOOD = """
schema = "neuromod/target/1"
name = "toy"
title = "Toy"
about = "A toy."
routing = "unicast"
[sources]
book = "The Book, page 3"
[grid]
chip_rows = { value = 2, kind = "measured", source = "book" }
chip_columns = { value = 3, kind = "measured", source = "elsewhere" }
[limits]
neurons = { value = 100, kind = "vendor", source = "book" }
fan_in = { value = "none", kind = "vendor", source = "book" }
fan_out = "unknown"
[cost]
energy_packet = { value = 0.5, kind = "derived", source = "book" }
"""


def test_a_users_own_target(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(GOOD)
    target = load_target(path)
    assert target.name == "toy"
    assert target.value("neurons") == 100
    assert target.figure("neurons").source == "The Book, page 3"
    assert target.figure("chip_columns").source == "elsewhere"
    assert str(target.chip) == "2x3"
    assert target.value("fan_in") == math.inf
    assert target.value("fan_out") is None
    assert target.figure("in_axons") is UNKNOWN
    assert target.limit("fan_out") == math.inf
    figures = target.as_json()["figures"]
    assert figures["fan_in"]["value"] == "none"
    assert figures["fan_out"]["value"] == "unknown"
    assert figures["energy_packet"] == {"value": 0.5, "unit": "pJ", "kind": "derived", "source": "The Book, page 3"}


@pytest.mark.parametrize("name", target_names())
def test_shipped_targets_state_every_figure_with_its_source(name):
    target = load_target(name)
    assert target.name == name
    text = load_text(name)
    for figure in FIGURES:
        # Nothing is left out silently: what is not known is said to be unknown.
        if name != "generic-mesh":
            assert f"\n{figure} = " in text, figure
        found = target.figure(figure)
        if found.value is None:
            assert found.kind is None
            assert found.text == "unknown"
        else:
            assert found.source
            assert found.value != 0 or figure == "index_bits"


def load_text(name):
    from neuromod.hardware.target_files import read_text

    return read_text(name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("neuromod/target/1", "neuromod/target/9", "schema is 'neuromod/target/9'"),
        ('name = "toy"', "", "name must be a text"),
        ('routing = "unicast"', 'routing = "pigeon"', "routing must be one of"),
        ("neurons = {", "neuron = {", "unknown key of [limits]: neuron; did you mean neurons"),
        ("value = 100", "value = -1", "limits.neurons.value must be a number not below 0"),
        ("value = 100", "value = 0", "limits.neurons.value must be a whole number above 0"),
        ("value = 100", "value = 1.5", "whole number"),
        ("value = 100", "value = nan", "must be a number"),
        ("value = 100", "value = true", "must be a number"),
        ("value = 100", 'value = "many"', "must be a number"),
        ('kind = "vendor", source = "book" }\nfan_in', 'source = "book" }\nfan_in', "neurons.kind must be one of"),
        ('value = 100, kind = "vendor", source = "book"', 'value = 100, kind = "vendor"', "neurons.source"),
        ('fan_out = "unknown"', "fan_out = 7", 'fan_out must be "unknown" or a table'),
        ("value = 0.5", "value = inf", "cost.energy_packet.value must be a number"),
        ("[cost]", "[costs]", "unknown key: costs; did you mean cost"),
        ('book = "The Book, page 3"', "book = 3", "[sources]"),
        ("[limits]", "[limits", "not valid TOML"),
        (
            "chip_rows",
            'tile_rows = { value = "none", kind = "vendor", source = "book" }\nchip_rows',
            "must be a number",
        ),
        (
            "[cost]",
            '[synapses]\nweight_bits = { value = "none", kind = "vendor", source = "book" }\n[cost]',
            "a number",
        ),
        ("value = 100", "value = 1e300", 'at most 9,007,199,254,740,992, or "none"'),
        (
            "[cost]",
            'synapse_memory_bits = { value = 7, kind = "vendor", source = "book" }\n'
            '[synapses]\nweight_bits = { value = 8, kind = "vendor", source = "book" }\n[cost]',
            "synapse_memory_bits = 7 holds no synapse, which takes 8 bit",
        ),
        ("routing =", "local_axons = 1\nrouting =", "local_axons must be true or false"),
    ],
)
def test_what_breaks_the_schema_is_refused_by_name(old, new, message):
    assert old in GOOD
    with pytest.raises(UsageError) as error:
        parse_target(GOOD.replace(old, new, 1), where="toy.toml")
    assert "toy.toml" in str(error.value)
    assert message in str(error.value)


def test_missing_targets():
    with pytest.raises(UsageError, match="no target loihi; did you mean loihi"):
        load_target("loihi")
    with pytest.raises(UsageError, match="cannot read the target nowhere"):
        load_target("nowhere.toml")


def test_binary_junk(tmp_path):
    path = tmp_path / "junk.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is not text"):
        load_target(path)


def row_of(target):
    """The row of a target in docs/targets.md."""
    figures = target.as_json()["figures"]
    stated = {
        section: [name for name, meaning in FIGURES.items() if meaning.section in section.split("+")
                  and target.value(name) is not None]
        for section in ("limits+synapses", "cost")
    }  # fmt: skip
    of = {key: sum(meaning.section in key.split("+") for meaning in FIGURES.values()) for key in stated}
    chip = target.figure("chip_rows").text if target.chip is None else str(target.chip)
    # Within one chip.
    energies = [name for name in FIGURES if name.startswith("energy_") and name != "energy_hop_chip"]
    whole = all(target.value(name) is not None for name in energies)
    kinds = sorted({figure["kind"] for figure in figures.values() if figure["kind"]})
    return (
        f"| `{target.name}` | {target.title} | {chip} | {target.figure('max_chips').text} | {target.routing} | "
        f"{len(stated['limits+synapses'])} of {of['limits+synapses']} | {len(stated['cost'])} of {of['cost']} | "
        f"{'yes' if whole else 'no'} | {', '.join(kinds)} |"
    )


def test_the_page_of_targets_states_what_the_files_state():
    page = (Path(__file__).parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")
    wanted = [row_of(load_target(name)) for name in target_names()]
    assert [line for line in page.splitlines() if line.startswith("| `")] == wanted


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("darwin3", {"chip_rows": 24, "neurons": 4096, "energy_synaptic_event": 5.47, "energy_neuron": None}),
        ("speck2e", {"chip_rows": 3, "neurons": 16_384, "destinations": 2, "weight_bits": 8, "output_channels": 15}),
        (
            "akida1000",
            {"fan_in": 57_334, "weight_bits": 4, "synapse_memory_bits": 8 * 2**20 * 8 // 80, "neurons": None},
        ),
        ("hala-point", {"max_chips": 1152, "neurons": 8192}),
        ("spinnaker1-million", {"max_chips": 57_600, "router_entries": 1023}),
    ],
)
def test_what_is_published_of_a_chip(name, facts):
    target = load_target(name)
    assert {key: target.value(key) for key in facts} == facts


@pytest.mark.parametrize(("system", "chip"), [("hala-point", "loihi2"), ("spinnaker1-million", "spinnaker1")])
def test_a_system_is_its_chip_many_times(system, chip):
    whole, one = load_target(system), load_target(chip)
    assert {name for name in FIGURES if whole.figure(name) != one.figure(name)} == {"max_chips"}


@pytest.mark.parametrize(("weight", "index", "bits"), [(9, 10, 19), (9, None, 9), (None, 10, 10), (None, None, 0)])
def test_bits_of_a_synapse_are_those_that_are_known(weight, index, bits):
    given = {"weight_bits": weight, "index_bits": index}
    figures = {name: Figure(float(value), "chosen", "test") for name, value in given.items() if value is not None}
    toy = Target("toy", "Toy", "A toy.", "unicast", "core", False, figures)
    assert bits_of_synapse(toy) == bits
