"""Judging many things, and being interrupted."""

from __future__ import annotations

import asyncio

import pytest

from webhook.auditing.run import AT_ONCE, Run
from webhook.core.auditing.rows import Row, error_row


def row(number: int) -> Row:
    """Return a row that can be told from others."""
    return error_row(kind="Pod", namespace=None, name=str(number), trouble="none")


async def test_everything_is_judged_in_order() -> None:
    """Whichever is done first, the rows stand in the order of the things, and each is counted."""
    counted: list[int] = []

    async def judge(number: int) -> Row:
        for _ in range(100 - number):
            await asyncio.sleep(0)
        return row(number)

    run = Run(range(100), judge, advanced=lambda: counted.append(1))
    await run.finish()

    assert [found.name for found in run.rows] == [str(number) for number in range(100)]
    assert run.complete
    assert len(counted) == 100


async def test_only_so_many_are_judged_at_once() -> None:
    """However many things there are, a bounded number is under way."""
    under_way, most = 0, 0

    async def judge(number: int) -> Row:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return row(number)

    await Run(range(500), judge).finish()

    assert most == AT_ONCE


async def test_an_interrupted_run_keeps_what_was_judged() -> None:
    """After an interruption the rows so far are there, and the run says that it is not complete."""
    reached = asyncio.Event()

    async def judge(number: int) -> Row:
        if number == 7:
            reached.set()
            await asyncio.Event().wait()
        return row(number)

    run = Run(range(10), judge)
    task = asyncio.create_task(run.finish())
    await reached.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [found.name for found in run.rows] == ["0", "1", "2", "3", "4", "5", "6", "8", "9"]
    assert not run.complete


async def test_nothing_to_judge_is_complete() -> None:
    """A run over nothing ends at once."""

    async def judge(number: int) -> Row:
        return row(number)

    run: Run[int] = Run([], judge)
    await run.finish()

    assert run.complete
    assert run.rows == ()
