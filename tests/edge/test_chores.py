"""What is done between presses comes in its own rhythm, one thing at a time."""

from __future__ import annotations

from edge.chores import Chore, Chores


class HandClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_chore_is_done_at_the_start_and_then_in_its_own_rhythm() -> None:
    done: list[str] = []
    clock = HandClock()
    chores = Chores([Chore(10, lambda: done.append("ten")), Chore(3, lambda: done.append("three"))], clock)
    for _ in range(10):
        chores.do_next()
        chores.do_next()
        clock.now += 1
    assert done == ["ten", "three", "three", "three", "three"]


def test_only_one_chore_stands_between_two_presses() -> None:
    done: list[str] = []
    chores = Chores([Chore(1, lambda: done.append("a")), Chore(1, lambda: done.append("b"))], HandClock())
    chores.do_next()
    assert done == ["a"]
    chores.do_next()
    assert done == ["a", "b"]


def test_a_station_without_chores_waits() -> None:
    Chores([]).do_next()
