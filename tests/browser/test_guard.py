"""Real servers at real addresses: who is let in, by whom, and under which name the server may be called."""

import base64
import json
import os
import re
import socket
import threading
import time
import tomllib
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from pages.shared import access
from tests.browser.conftest import ROOT, Server, settle
from unlearn_core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    for name in ("UNLEARN_BEHIND_PROXY", "UNLEARN_ROLE"):
        monkeypatch.delenv(name, raising=False)


def shake_hands(port: int, host: str, **headers) -> int:
    """The status with which a server answers whoever wants a connection under this name; 101 is yes."""
    asked = {"Host": host, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"} | headers
    asked["Sec-WebSocket-Key"] = base64.b64encode(os.urandom(16)).decode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(f"GET /_stcore/stream HTTP/1.1\r\n{lines}\r\n".encode())
        return int(line.recv(64).split()[1])


def test_a_foreign_name_and_a_foreign_page_get_no_connection(serve, store):
    port = serve(store.root).port
    assert shake_hands(port, f"127.0.0.1:{port}") == shake_hands(port, f"localhost:{port}") == 101
    assert shake_hands(port, f"localhost:{port}", Origin=f"http://localhost:{port}") == 101
    for host in (
        "evil.example",
        f"evil.example:{port}",
        f"127.0.0.1.evil.example:{port}",
        "localhost@evil.example",
        "",
    ):
        assert shake_hands(port, host) in (400, 403)
    assert shake_hands(port, f"127.0.0.1:{port}", Origin="http://evil.example") == 403


@contextmanager
def visit(address: str):
    """A visit as an open page has it, without a page: put(name, length, body) sends a file and returns the status."""
    with connect(f"ws://{address}/_stcore/stream", origin=f"http://{address}", subprotocols=["streamlit"]) as line:
        asked, told, session = BackMsg(), ForwardMsg(), ""
        asked.rerun_script.query_string = ""
        line.send(asked.SerializeToString())
        while told.WhichOneof("type") != "script_finished":
            told.ParseFromString(line.recv(timeout=60))
            session = session or told.new_session.initialize.session_id
        answer = urllib.request.urlopen(f"http://{address}/_stcore/health")  # noqa: S310
        token = re.search("_streamlit_xsrf=([^;]+)", answer.headers["Set-Cookie"]).group(1).strip('"')

        def put(name: str, length: int, body: bytes = b"") -> int:
            about = f"Host: {address}\r\nContent-Length: {length}\r\nCookie: _streamlit_xsrf={token}\r\n"
            about += f"X-Xsrftoken: {token}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            with socket.create_connection(address.split(":"), timeout=20) as sent:
                sent.sendall(f"PUT /_stcore/upload_file/{session}/{name} HTTP/1.1\r\n{about}\r\n".encode() + body)
                return int(sent.recv(64).split()[1])

        yield put


def a_form(length: int) -> bytes:
    """A file in a form of so many bytes."""
    head, end = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n', b"\r\n--x--"
    return head + b"a" * (length - len(head) - len(end)) + end


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(serve, store):
    """Asked as an open page asks, with its visit and its token, of a server with the settings that ship."""
    limit = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"]["maxUploadSize"] << 20
    with visit(serve(store.root).url.removeprefix("http://")) as put:
        assert put("1", limit + 1) == 413
        assert put("1", 100, a_form(100)) == 204


def test_one_visit_cannot_fill_the_servers_memory_with_files(serve, store, monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "1")
    size = 900_000
    with visit(serve(store.root).url.removeprefix("http://")) as put:
        assert [put(name, size, a_form(size)) for name in "12321"] == [204, 204, 413, 204, 204]


def test_a_server_that_others_can_reach_shows_one_sentence(page, serve, filled_store, monkeypatch):
    """The first page that is asked for is a deep link, which a fresh server runs alone."""
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")  # noqa: S104
    url = serve(filled_store).url
    for path in ("/explore", "/runs", "/"):
        page.goto(f"{url}{path}")
        expect(page.get_by_test_id("stMain")).to_have_text(access.EXPOSED)
        settle(page)
        assert page.get_by_test_id("stMain").inner_text().strip() == access.EXPOSED
        assert page.locator("[data-testid=stMain] :is(img, canvas, button), [data-testid=stSidebarNav]").count() == 0


class Provider(ThreadingHTTPServer):
    """A small OpenID Connect provider that knows one person at a time and asks nothing."""

    def __init__(self):
        from joserfc.jwk import RSAKey

        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key, self.nonce, self.person = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256"}), "", {}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = urlsplit(self.path)
        url = self.server.url
        if asked.path == "/authorize":
            said = {name: value[0] for name, value in parse_qs(asked.query).items()}
            self.server.nonce = said.get("nonce", "")
            self.send_response(302)
            self.send_header("Location", f"{said['redirect_uri']}?{urlencode({'code': 'c', 'state': said['state']})}")
            self.end_headers()
        elif asked.path == "/keys":
            self.answer({"keys": [self.server.key.as_dict(private=False)]})
        else:
            ways = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            self.answer({"issuer": url} | {name: f"{url}/{path}" for name, path in ways.items()})

    def do_POST(self):
        from joserfc import jwt

        self.rfile.read(int(self.headers["Content-Length"]))
        now = int(time.time())
        claims = {"iss": self.server.url, "aud": "workbench", "sub": "1", "iat": now, "exp": now + 600}
        claims |= {"nonce": self.server.nonce} | self.server.person
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.server.key)
        self.answer({"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def answer(self, said: dict) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_):
        pass


class WithLogin(Server):
    """A server that others can reach, with a login by a provider."""

    provider: Provider

    def start(self) -> None:
        home = Path(os.environ["HOME"]) / ".streamlit"
        home.mkdir(exist_ok=True)
        login = {
            "redirect_uri": f"{self.url}/oauth2callback",
            "cookie_secret": "0" * 64,
            "client_id": "workbench",
            "client_secret": "x",
            "server_metadata_url": f"{self.provider.url}/.well-known/openid-configuration",
        }
        lines = ["[auth]", *(f'{name} = "{value}"' for name, value in login.items())]
        lines += ["[roles]", 'viewer = ["Ada@Lab.Example"]']
        (home / "secrets.toml").write_text("\n".join(lines))
        super().start()


def test_a_login_lets_in_who_is_on_a_list(chromium, store, tmp_path, monkeypatch):
    pytest.importorskip("authlib")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")  # noqa: S104
    provider = Provider()
    monkeypatch.setattr(WithLogin, "provider", provider, raising=False)
    server = WithLogin(store.root, tmp_path / "server.log")
    try:
        for person, said in (
            ("ada@lab.example", "Logged in as ada@lab.example, viewer."),
            ("eve@lab.example", access.UNKNOWN),
        ):
            provider.person = {"email": person, "email_verified": True}
            context = chromium.new_context(viewport={"width": 1280, "height": 720})
            page = context.new_page()
            page.goto(f"{server.url}/runs")
            expect(page.get_by_test_id("stMain")).to_contain_text(access.STRANGER)
            expect(page.locator("[data-testid=stMain] button")).to_have_text(["Log in"])
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_text(said)).to_be_visible()
            settle(page)
            run = page.get_by_role("button", name="Run the example")
            assert run.count() == (said == "Logged in as ada@lab.example, viewer.")
            if run.count():
                expect(run).to_be_disabled()
                page.get_by_role("button", name="Log out").click()
                expect(page.get_by_test_id("stMain")).to_contain_text(access.STRANGER)
            context.close()
        assert "Traceback" not in server.log.read_text()
    finally:
        server.kill()
        provider.shutdown()
    assert not list((Store(store.root).root / "jobs").iterdir())


def test_no_page_asks_another_server(page, look):
    """Not even for the picture of its tab."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for name in ("", "explore", "plan", "runs", "compare", "audit", "report", "guess"):
        page.goto(f"{look}/{name}")
        settle(page)
    elsewhere = [url for url in asked if not url.startswith((look, "ws://127.0.0.1", "data:", "blob:"))]
    assert asked and elsewhere == []
