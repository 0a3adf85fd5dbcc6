"""Counters in shared memory: single writers, one page, no words of a peer."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.errors import SpoolError
from engine.metrics.catalogue import BOUNDS, METRICS, Kind
from engine.metrics.exposition import render
from engine.metrics.meter import Meter, bound_text
from engine.metrics.reading import Snapshot, read
from engine.metrics.stages import UNOBSERVED, stage


def test_the_counters_of_all_processes_are_summed(tmp_path: Path) -> None:
    for name, amount in (("worker-0", 2), ("worker-1", 3)):
        Meter.attach(tmp_path, name).value("penstock_rewritten_objects_total").add(amount)
    assert read(tmp_path) == {"penstock_rewritten_objects_total": 5.0}


def test_a_restart_keeps_counters_and_clears_gauges(tmp_path: Path) -> None:
    first = Meter.attach(tmp_path, "receiver")
    first.value("penstock_received_objects_total").add(7)
    first.value("penstock_associations_open").set(4)
    first.close()
    again = Meter.attach(tmp_path, "receiver")
    assert again.value("penstock_associations_open").value == 0.0
    again.value("penstock_received_objects_total").add()
    assert read(tmp_path)["penstock_received_objects_total"] == 8.0


def test_labels_tell_values_apart(tmp_path: Path) -> None:
    mine = Meter.attach(tmp_path, "receiver")
    mine.value("penstock_answers_total", status="0000").add(2)
    mine.value("penstock_answers_total", status="A700").add()
    assert mine.value("penstock_answers_total", status="0000").value == 2.0
    assert read(tmp_path) == {
        'penstock_answers_total{status="0000"}': 2.0,
        'penstock_answers_total{status="A700"}': 1.0,
    }


@pytest.mark.parametrize("text", ["", "DOE^JANE", "a b", 'x"y', "x" * 41, "a\nb"])
def test_free_text_never_becomes_a_label(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="label value"):
        Meter.attach(tmp_path, "receiver").value("penstock_answers_total", status=text)


def test_a_metric_that_the_catalogue_lacks_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="penstock_typo"):
        Meter.attach(tmp_path, "receiver").value("penstock_typo")


def test_a_process_cannot_have_more_metrics_than_its_file_holds(tmp_path: Path) -> None:
    mine = Meter.attach(tmp_path, "receiver", 2)
    for status in ("0000", "A700"):
        mine.value("penstock_answers_total", status=status)
    with pytest.raises(SpoolError, match="more than 2"):
        mine.value("penstock_answers_total", status="C000")


def _count(folder: Path, name: str) -> None:
    value = Meter.attach(folder, name).value("penstock_received_bytes_total")
    for _ in range(10_000):
        value.add(1)


def test_nothing_is_lost_when_processes_count_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_count, args=(tmp_path, f"p{n}")) for n in range(2)]
    for child in children:
        child.start()
    _count(tmp_path, "own")
    for child in children:
        child.join()
    assert read(tmp_path)["penstock_received_bytes_total"] == 30_000.0


def test_the_page_is_what_prometheus_reads() -> None:
    page = render(
        {
            'penstock_answers_total{status="A700"}': 1.0,
            'penstock_answers_total{status="0000"}': 20.0,
            "penstock_spool_bytes": 0.5,
        }
    )
    assert page == (
        "# HELP penstock_answers_total C-STORE answers by status\n"
        "# TYPE penstock_answers_total counter\n"
        'penstock_answers_total{status="0000"} 20\n'
        'penstock_answers_total{status="A700"} 1\n'
        "# HELP penstock_spool_bytes Bytes in the spool\n"
        "# TYPE penstock_spool_bytes gauge\n"
        "penstock_spool_bytes 0.5\n"
    )


def test_nothing_counted_yet_is_an_empty_page(tmp_path: Path) -> None:
    assert render(read(tmp_path)) == "\n"


def test_a_histogram_counts_by_fixed_buckets_over_all_processes(tmp_path: Path) -> None:
    one = Meter.attach(tmp_path, "worker-0").histogram("penstock_stage_seconds", stage="rewrite")
    other = Meter.attach(tmp_path, "worker-1").histogram("penstock_stage_seconds", stage="rewrite")
    one.observe(0.0001)  # a bound belongs to its own bucket
    one.observe(0.002, times=3)
    other.observe(1000.0)
    told = Snapshot(read(tmp_path))
    assert told.get("penstock_stage_seconds_count", stage="rewrite") == 5.0
    assert told.get("penstock_stage_seconds_sum", stage="rewrite") == pytest.approx(1000.0061)
    steps = [told.get("penstock_stage_seconds_bucket", stage="rewrite", le=bound_text(one)) for one in BOUNDS]
    assert steps == [1.0, 1.0, 1.0, 4.0, *[4.0] * 9]
    assert told.get("penstock_stage_seconds_bucket", stage="rewrite", le="+Inf") == 5.0


def test_a_histogram_goes_on_after_a_restart_and_after_a_death_while_it_was_made(tmp_path: Path) -> None:
    first = Meter.attach(tmp_path, "receiver")
    first.value(
        "penstock_stage_seconds_bucket", le="0.0001", stage="receive"
    ).add()  # all that was made of it
    first.histogram("penstock_stage_seconds", stage="commit").observe(0.5)
    first.close()
    again = Meter.attach(tmp_path, "receiver")
    again.histogram("penstock_stage_seconds", stage="receive").observe(0.5)
    again.histogram("penstock_stage_seconds", stage="commit").observe(0.5)
    told = Snapshot(read(tmp_path))
    assert told.by("penstock_stage_seconds_count", "stage") == {"receive": 2.0, "commit": 2.0}


def test_prometheus_own_parser_reads_the_page(tmp_path: Path) -> None:
    mine = Meter.attach(tmp_path, "receiver")
    mine.histogram("penstock_stage_seconds", stage="commit").observe(0.02)
    mine.histogram("penstock_stage_seconds", stage="receive").observe(2.0)
    mine.value("penstock_answers_total", status="A700").add()
    mine.value("penstock_seconds_until_full").set(-1.0)
    families = {one.name: one for one in text_string_to_metric_families(render(read(tmp_path)))}
    assert {name: one.type for name, one in families.items()} == {
        "penstock_stage_seconds": "histogram",
        "penstock_answers": "counter",
        "penstock_seconds_until_full": "gauge",
    }
    buckets = [one for one in families["penstock_stage_seconds"].samples if one.name.endswith("_bucket")]
    for name, at in (("commit", 0.02), ("receive", 2.0)):
        mine_only = [(float(one.labels["le"]), one.value) for one in buckets if one.labels["stage"] == name]
        assert mine_only == [(bound, float(bound >= at)) for bound in (*BOUNDS, float("inf"))]
    assert all(one.documentation for one in families.values())


def test_every_metric_of_the_catalogue_has_a_name_that_prometheus_tools_expect() -> None:
    for name, (kind, told) in METRICS.items():
        assert re.fullmatch(r"penstock_[a-z]+(_[a-z]+)*", name)
        assert name.endswith("_total") is (kind is Kind.COUNTER)
        assert (not name.endswith("_seconds")) or kind is not Kind.COUNTER
        assert told[0].isupper() or told[0].isdigit()
        assert not told.endswith(".")


def test_a_gateway_that_does_not_observe_itself_has_no_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UNOBSERVED, "1")
    quiet = stage(Meter.attach(tmp_path, "receiver"), "receive")
    quiet.busy(1.0)
    quiet.took(1.0)
    quiet.holds(hands=2)
    assert (quiet.now(), read(tmp_path)) == (0.0, {})
    monkeypatch.delenv(UNOBSERVED)
    loud = stage(Meter.attach(tmp_path, "receiver"), "receive")
    loud.busy(1.5)
    loud.holds(hands=2, size=10)
    told = Snapshot(read(tmp_path))
    assert told.get("penstock_stage_busy_seconds_total", stage="receive") == 1.5
    assert told.by("penstock_stage_hands", "stage") == {"receive": 2.0}
    assert told.total("penstock_stage_bytes_in_flight") == 10.0
    assert loud.now() > 0
