"""Counters in shared memory: single writers, one page, no words of a peer."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from engine.errors import SpoolError
from engine.metrics import meter
from engine.metrics.exposition import render
from engine.metrics.meter import Meter, read


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


def test_a_process_cannot_have_more_metrics_than_its_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "RECORDS", 2)
    mine = Meter.attach(tmp_path, "receiver")
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
