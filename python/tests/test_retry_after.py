"""The wait that a server asks for, as exceptions carry it, and that it is kept."""

import email.message
import urllib.error
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace

import httpx
import pytest

from wtb._retry_after import RETRY_AFTER_MAX_S, retry_after_s


class ClientError(Exception):
    def __init__(self, **carried):
        super().__init__("429")
        self.__dict__.update(carried)


def answered(headers):
    return ClientError(response=SimpleNamespace(headers=headers))


def in_seconds(seconds, zone=UTC):
    return format_datetime((datetime.now(UTC) + timedelta(seconds=seconds)).astimezone(zone))


def raised_from(error, cause):
    error.__cause__ = cause
    return error


def of_httpx():
    request = httpx.Request("GET", "http://localhost")
    response = httpx.Response(429, headers={"Retry-After": "7"}, request=request)
    return httpx.HTTPStatusError("429", request=request, response=response)


def of_urllib():
    headers = email.message.Message()
    headers["RETRY-AFTER"] = "7"
    return urllib.error.HTTPError("http://localhost", 429, "", headers, None)


@pytest.mark.parametrize(
    "error",
    [
        ClientError(retry_after=7),
        ClientError(retry_after=7.0),
        ClientError(retry_after="7"),
        answered({"retry-after": "7"}),
        answered({"Retry-After": " 7 "}),
        ClientError(retry_after=None, response=SimpleNamespace(headers={"retry-after": "7"})),
        of_httpx(),
        of_urllib(),
        raised_from(RuntimeError("the model is busy"), of_httpx()),
    ],
    ids=repr,
)
def test_it_is_found(error):
    assert retry_after_s(error) == 7.0


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5))])
def test_a_date_is_a_wait_until_then(zone):
    assert retry_after_s(answered({"retry-after": in_seconds(90, zone)})) == pytest.approx(
        90, abs=5
    )


def test_it_is_bounded():
    assert retry_after_s(ClientError(retry_after=10**9)) == RETRY_AFTER_MAX_S
    assert retry_after_s(ClientError(retry_after=float("inf"))) == RETRY_AFTER_MAX_S
    assert retry_after_s(answered({"retry-after": in_seconds(10**6)})) == RETRY_AFTER_MAX_S


class HostileError(Exception):
    @property
    def retry_after(self):
        raise RuntimeError("no such thing")

    @property
    def response(self):
        raise RuntimeError("not answered")


def circle():
    error = ValueError("a")
    return raised_from(error, raised_from(ValueError("b"), error))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        HostileError(),
        circle(),
        *(
            ClientError(retry_after=said)
            for said in (0, -1, True, "soon", "", float("nan"), [7], lambda: 7)
        ),
        *(answered({"retry-after": said}) for said in (in_seconds(-90), "-3", "Mon, 99 Foo", b"7")),
        answered({}),
        answered("text"),
        ClientError(response=None),
    ],
    ids=repr,
)
def test_where_there_is_none_nothing_is_waited_for(error):
    assert retry_after_s(error) is None
