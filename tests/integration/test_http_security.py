"""web.config as the exporter-toolkit reads it, renewed while driftd serves; who may ask, who may change something."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import socket
import ssl
import subprocess
from email.message import Message
from pathlib import Path

import bcrypt
import pytest

from driftd.core.errors import ConfigError
from driftd.web import guard, webconfig
from tests.integration.test_http import Daemon, ask, raw, serving, web_config
from tests.servers import need
from tests.servers.prometheus import find
from tests.stage.judgement import judgement

pytestmark = pytest.mark.integration
TLS = "cert_file: cert.pem, key_file: key.pem"


@pytest.fixture
def daemon() -> Daemon:
    made = Daemon()
    made.sink.update(judgement())
    return made


def make_certificate(folder: Path, name: str, sans: str = "DNS:localhost") -> None:
    """NAME-cert.pem and NAME-key.pem, self-signed."""
    openssl = find("openssl")
    need("openssl", openssl, "apt-get install openssl")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}-key.pem"]
    who = ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={sans}", "-out", f"{name}-cert.pem"]
    subprocess.run([str(openssl), "req", "-x509", *new, *who], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name, sans in {
        "first": "DNS:localhost",
        "second": "DNS:localhost",
        "prometheus": "DNS:prometheus,IP:::1,URI:spiffe://x/p",
    }.items():
        make_certificate(folder, name, sans)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    use(made, tmp_path, "first")
    return tmp_path


def use(made: Path, folder: Path, name: str) -> None:
    """Put the certificate of this name in place."""
    for part in ("cert", "key"):
        shutil.copy(made / f"{name}-{part}.pem", folder / f"{part}.pem")


def trust(made: Path, *names: str, own: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name in names:
        context.load_verify_locations(made / f"{name}-cert.pem")
    if own:
        context.load_cert_chain(made / f"{own}-cert.pem", made / f"{own}-key.pem")
    return context


def shown(port: int) -> str:
    """The digest of the certificate that a new handshake shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain) as connection:
        return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


def digest(certificate: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()


class TestRenewal:
    def test_a_certificate_that_was_renewed_is_shown_to_the_next_client(
        self, daemon: Daemon, made: Path, folder: Path
    ) -> None:
        config = web_config(folder, f"tls_server_config: {{{TLS}}}")
        with serving(daemon, web_config=config) as server:
            assert shown(server.port) == digest(made / "first-cert.pem")
            use(made, folder, "second")
            assert shown(server.port) == digest(made / "second-cert.pem")
            assert ask(server, "/metrics", tls=trust(made, "second"))[0].status == 200

    def test_a_broken_file_is_told_once_and_the_old_stays_in_force(
        self, daemon: Daemon, made: Path, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        config = web_config(folder, f"tls_server_config: {{{TLS}}}")
        with serving(daemon, web_config=config) as server:
            shutil.copy(made / "second-key.pem", folder / "key.pem")  # the certificate has not come yet
            for _ in range(3):
                assert shown(server.port) == digest(made / "first-cert.pem")
            (told,) = [r.getMessage() for r in caplog.records if "stays in use" in r.getMessage()]
            assert "tls_server_config.cert_file: certificate or key cannot be loaded" in told
            with pytest.raises(ConfigError):
                server.check_web_config()
            shutil.copy(made / "second-cert.pem", folder / "cert.pem")
            assert shown(server.port) == digest(made / "second-cert.pem")

    def test_users_headers_and_tls_change_with_the_file(self, daemon: Daemon, made: Path, folder: Path) -> None:
        hashed = bcrypt.hashpw(b"hush", bcrypt.gensalt(4)).decode()
        config = web_config(folder, "http_server_config: {headers: {X-XSS-Protection: '0'}}")
        with serving(daemon, web_config=config) as server:
            assert ask(server, "/metrics")[0].headers["X-XSS-Protection"] == "0"
            web_config(folder, f"basic_auth_users: {{me: {hashed}}}")
            answer, _ = ask(server, "/metrics")
            assert (answer.status, answer.headers["X-XSS-Protection"]) == (401, None)
            web_config(folder, f"tls_server_config: {{{TLS}}}\nbasic_auth_users: {{}}")
            assert ask(server, "/metrics", tls=trust(made, "first"))[0].status == 200
            web_config(folder, "basic_auth_users: {me: no-hash}")
            assert ask(server, "/metrics", tls=trust(made, "first"))[0].status == 200


class TestTls:
    def test_certificates_may_stand_in_the_file_itself(self, daemon: Daemon, made: Path, tmp_path: Path) -> None:
        lines = ["tls_server_config:", f"  client_auth_type: {'RequireAndVerifyClientCert'}"]
        parts = {"cert": "first-cert.pem", "key": "first-key.pem", "client_ca": "prometheus-cert.pem"}
        for name, file in parts.items():
            lines += [f"  {name}: |", *(f"    {line}" for line in (made / file).read_text().splitlines())]
        with serving(daemon, web_config=web_config(tmp_path, "\n".join(lines))) as server:
            assert ask(server, "/metrics", tls=trust(made, "first", own="prometheus"))[0].status == 200
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ask(server, "/metrics", tls=trust(made, "first", own="second"))

    @pytest.mark.parametrize(
        ("sans", "welcome"),
        [
            pytest.param("prometheus", True, id="name"),
            pytest.param("'0:0:0::1'", True, id="address, in another spelling"),
            pytest.param("'spiffe://x/p'", True, id="uri"),
            pytest.param("other, prometheus.example", False, id="others"),
        ],
    )
    def test_a_client_needs_one_of_the_names(
        self, daemon: Daemon, made: Path, folder: Path, sans: str, welcome: bool
    ) -> None:
        shutil.copy(made / "prometheus-cert.pem", folder / "ca.pem")
        wanted = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
        config = web_config(folder, f"tls_server_config: {{{TLS}, {wanted}, client_allowed_sans: [{sans}]}}")
        client = trust(made, "first", own="prometheus")
        with serving(daemon, web_config=config) as server:
            if welcome:
                assert ask(server, "/metrics", tls=client)[0].status == 200
            else:
                with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                    ask(server, "/metrics", tls=client)

    def test_ciphers_curves_and_versions_are_those_that_were_chosen(
        self, daemon: Daemon, made: Path, folder: Path
    ) -> None:
        chosen = "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384], curve_preferences: [CurveP384]"
        config = web_config(folder, f"tls_server_config: {{{TLS}, {chosen}, max_version: TLS12}}")
        with serving(daemon, web_config=config) as server:
            context = trust(made, "first")
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as connection,
            ):
                assert connection.cipher() == ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256)
            context.set_ecdh_curve("prime256v1")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ask(server, "/metrics", tls=context)
            other = trust(made, "first")
            other.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ask(server, "/metrics", tls=other)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", r"cipher_suites: unknown name 'TLS_RSA_WITH_RC4_128_SHA'"),
            ("cipher_suites: TLS_AES_128_GCM_SHA256", r"cipher_suites: expected a list of names"),
            ("cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12", "has none for TLS 1.2"),
            ("curve_preferences: [Curve25519]", "curve_preferences: unknown name"),
            ("curve_preferences: [X25519, CurveP256]", "driftd can be given one curve"),
            ("prefer_server_cipher_suites: 7", "expected true or false"),
            ("min_version: TLS13, max_version: TLS12", "max_version: is below min_version"),
            ("client_auth_type: RequireAnyClientCert", "takes certificates of anybody"),
            ("client_auth_type: RequireAndVerifyClientCert", "client_ca_file: needed for"),
            ("client_auth_type: NoClientCert, client_ca_file: cert.pem", "NoClientCert asks for no certificate"),
            ("client_ca_file: key.pem", "client_ca_file: .*no certificates in PEM format"),
            ("client_ca_file: none.pem", "client_ca_file: .*none.pem: cannot be loaded: No such file"),
            ("client_allowed_sans: [a]", "client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert"),
            ("cert: x", "cert_file: .*cert is given as well"),
            ("curve_preference: [X25519]", "unknown key; did you mean 'curve_preferences'"),
        ],
    )
    def test_what_cannot_be_done_is_refused_with_its_place(self, folder: Path, text: str, says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            webconfig.load(web_config(folder, f"tls_server_config: {{{TLS}, {text}}}"))

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("rate_limit: {interval: soon, burst: 1}", "rate_limit.interval: expected a duration"),
            ("rate_limit: {interval: 1s}", "rate_limit.burst: expected a number of requests, 1 or more"),
            ("http_server_config: {http2: maybe}", "http2: expected true or false"),
            ("http_server_config: {headers: {X-Frame-Options: none}}", "expected deny or sameorigin"),
            ("http_server_config: {headers: {Server: x}}", "headers.Server: unknown key"),
        ],
    )
    def test_other_sections_too(self, tmp_path: Path, text: str, says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            webconfig.load(web_config(tmp_path, text))


def test_requests_over_the_rate_limit_are_turned_away_and_probes_are_not(daemon: Daemon, tmp_path: Path) -> None:
    config = web_config(tmp_path, "rate_limit: {interval: 1h, burst: 2}\nhttp_server_config: {http2: false}")
    with serving(daemon, web_config=config) as server:
        assert [ask(server, "/metrics")[0].status for _ in range(3)] == [200, 200, 429]
        assert ask(server, "/-/healthy")[0].status == 200


def test_a_token_comes_back_with_each_interval() -> None:
    now = [0.0]
    limit = webconfig.RateLimit(2.0, 3, lambda: now[0])
    assert [limit.allows() for _ in range(4)] == [True, True, True, False]
    now[0] = 4.0
    assert [limit.allows() for _ in range(3)] == [True, True, False]


def headers(**given: str) -> Message:
    message = Message()
    for name, value in given.items():
        message[name.replace("_", "-")] = value
    return message


class TestHost:
    @pytest.mark.parametrize(
        ("host", "status"),
        [
            pytest.param("evil.example", 421, id="a name that was pointed here"),
            pytest.param("evil.example:9477", 421, id="with port"),
            pytest.param("localhost.evil.example", 421, id="begins like ours"),
            pytest.param("localhost", 200, id="localhost"),
            pytest.param("LOCALHOST.:9477", 200, id="in capitals"),
            pytest.param("127.0.0.1:1", 200, id="address"),
            pytest.param("[::1]:9477", 200, id="v6"),
            pytest.param("[::1", 421, id="malformed"),
            pytest.param("", 200, id="none"),
        ],
    )
    def test_on_127_0_0_1_a_foreign_name_reads_nothing(self, daemon: Daemon, host: str, status: int) -> None:
        with serving(daemon) as server:
            answer, body = ask(server, "/metrics", Host=host)
            assert answer.status == status
            assert (b"driftd_model_status" in body) == (status == 200)

    def test_two_hosts_are_one_too_many(self, daemon: Daemon) -> None:
        with serving(daemon) as server:
            received = raw(server, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
            assert received.startswith(b"HTTP/1.1 421 ")

    @pytest.mark.parametrize(
        ("hosts", "loopback", "refused"),
        [
            pytest.param([], True, True, id="on this machine"),
            pytest.param([], False, False, id="in a cluster, where nobody knows the names"),
            pytest.param(["driftd.example"], True, False, id="named, on this machine"),
            pytest.param(["driftd.example"], False, False, id="named"),
            pytest.param(["other.example"], False, True, id="others are named"),
        ],
    )
    def test_which_names_are_ours(self, hosts: list[str], loopback: bool, refused: bool) -> None:
        assert bool(guard.refused_host(headers(Host="driftd.example:9477"), hosts, loopback=loopback)) is refused


class TestReload:
    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            pytest.param("http://evil.example", 403, id="another site"),
            pytest.param("http://127.0.0.1:1", 403, id="another port"),
            pytest.param("null", 403, id="a sandbox"),
            pytest.param("http://[", 403, id="malformed"),
            pytest.param("http://127.0.0.1:{port}", 200, id="our own page"),
        ],
    )
    def test_a_page_of_another_site_cannot_reload(self, daemon: Daemon, origin: str, status: int) -> None:
        with serving(daemon) as server:
            told = ask(server, "/-/reload", "POST", Origin=origin.format(port=server.port))[0].status
        assert (told, daemon.reloads) == (status, status == 200)

    @pytest.mark.parametrize("header", guard.FORWARDED)
    def test_a_proxy_on_this_machine_does_not_make_others_known(self, daemon: Daemon, header: str) -> None:
        with serving(daemon) as server:
            forwarded = f"{header}: 10.0.0.1\r\n\r\n".encode()
            assert raw(server, b"POST /-/reload HTTP/1.1\r\n" + forwarded).startswith(b"HTTP/1.1 403 ")
            assert raw(server, b"GET /metrics HTTP/1.1\r\n" + forwarded).startswith(b"HTTP/1.1 200 ")
        assert daemon.reloads == 0

    def test_a_proxy_that_says_nothing_but_speaks_as_nginx_does_makes_nobody_known(self, daemon: Daemon) -> None:
        with serving(daemon) as server:
            for body in (b"", b"do=maintenance"):
                asked = b"POST /-/reload HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body)
                assert raw(server, asked + body).startswith(b"HTTP/1.1 403 ")
            assert raw(server, b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        assert daemon.reloads == 0

    @pytest.mark.parametrize(
        ("client", "user", "known"),
        [
            pytest.param("127.0.0.1", "", guard.LOCAL, id="this machine"),
            pytest.param("::1", "", guard.LOCAL, id="this machine, v6"),
            pytest.param("::ffff:127.0.0.1", "", guard.LOCAL, id="this machine on a v6 socket"),
            pytest.param("10.0.0.1", "", "", id="another machine"),
            pytest.param("::ffff:10.0.0.1", "", "", id="another machine on a v6 socket"),
            pytest.param("10.0.0.1", "anna", "anna", id="with a password"),
            pytest.param("127.0.0.1", "anna", "anna", id="with a password on this machine"),
            pytest.param("10.0.0.1", "an\nna", "an\\nna", id="no name breaks a line"),
        ],
    )
    def test_from_another_machine_it_takes_a_login(self, client: str, user: str, known: str) -> None:
        assert guard.known_as(None, client, headers(), user=user) == known

    def test_another_machine_is_told_what_helps(self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guard, "is_loopback", lambda _: False)  # as if from elsewhere
        with serving(daemon) as server:
            answer, body = ask(server, "/-/reload", "POST")
        assert (answer.status, daemon.reloads) == (403, 0)
        assert b"needs a password or a certificate (http.web_config); SIGHUP" in body

    def test_a_certificate_of_the_client_is_a_login(
        self, daemon: Daemon, made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guard, "is_loopback", lambda _: False)
        shutil.copy(made / "prometheus-cert.pem", folder / "ca.pem")
        optional = "client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem"
        config = web_config(folder, f"tls_server_config: {{{TLS}, {optional}}}")
        with serving(daemon, web_config=config) as server:
            assert ask(server, "/metrics", tls=trust(made, "first"))[0].status == 200
            assert ask(server, "/-/reload", "POST", tls=trust(made, "first"))[0].status == 403
            assert ask(server, "/-/reload", "POST", tls=trust(made, "first", own="prometheus"))[0].status == 200
