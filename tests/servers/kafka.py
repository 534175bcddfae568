"""Apache Kafka for tests: given in the environment, else in a container, else a KRaft broker of our own in a JVM.

``python -m tests.servers.kafka --install`` fetches the broker's jars into ``.tools/kafka`` (Maven, once).
``DRIFTD_TEST_BOOTSTRAP_SERVERS`` names a broker that runs already; topics made there have random names.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import TopicAlreadyExistsError

from tests.servers import ROOT, find_free_port, need, spawn
from tests.servers.run import keeping, kept, locked, tell, wait_for_the_end
from tests.stage.tokens import JWKS, make_token_key

VERSION: Final = "4.3.0"
GIVEN: Final = "DRIFTD_TEST_BOOTSTRAP_SERVERS"
TOOLS: Final = ROOT / ".tools" / "kafka"
USER, PASSWORD = "driftd", "correct-horse"
KEY_PASSWORD: Final = "changeit"
CLUSTER: Final = "driftdTestsClusterIdAA"
TLS: Final = ("ssl", "mtls", "elsewhere", "expired")
"""Listeners with TLS: one that is as it should be, one that wants a certificate of its clients, one whose certificate
is for another host, and one whose certificate has expired.
"""
OAUTH: Final = "oauth"
"""Listener with TLS whose users show tokens (OAUTHBEARER): signed with ``tokens.key``, for AUDIENCE. A session ends
after REAUTH_SECONDS at most. Its certificate is that of ``ssl``.
"""
AUDIENCE: Final = "kafka"
REAUTH_SECONDS: Final = 4
HEAP: Final = "-Xmx1g"
"""Each request is one array in its heap: with 512 MB it refused records of 100 MB (UNKNOWN_SERVER_ERROR)."""
START_SECONDS: Final = 300.0
"""It starts in 4 s of a processor or two; at a load of 30 to 40 that took more than 90."""
HERE: Final = "IP:127.0.0.1,DNS:localhost"
CERTIFICATES: Final = {
    "ssl": HERE,
    "mtls": HERE,
    "elsewhere": "DNS:broker.example",
    "expired": HERE.lower(),
    "client": "DNS:client",
    "stale": "dns:stale",
    "stranger": "DNS:stranger",
}
EXPIRED: Final = ("expired", "stale")
THIRTY_DAYS_UNTIL_TEN_DAYS_AGO: Final = ("-startdate", "-40d", "-validity", "30")
SECURITY: Final = ",".join((
    "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,OAUTH:SASL_SSL",
    *(f"{one.upper()}:SSL" for one in TLS),
))  # fmt: skip

# kafka_2.13 leaves logging out of its POM (facts/kafka.md).
ARTIFACTS: Final = (
    ("org.apache.kafka", "kafka_2.13", VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
    ("org.apache.logging.log4j", "log4j-core", "2.25.4"),
    ("org.apache.logging.log4j", "log4j-1.2-api", "2.25.4"),
)
LOG4J: Final = """rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c: %m%n
"""


@dataclass
class Broker:
    """A broker under test: where it listens, and what a test does to its topics.

    ``certificates`` has a folder of a broker of our own: of each listener in TLS the authority, ``ssl.pem`` and so on;
    ``client.pem``, which ``mtls`` trusts, ``stale.pem`` (signed by it, expired) and ``stranger.pem``, with their keys
    ``client.key`` and so on; ``locked.key`` is the first of these with KEY_PASSWORD. ``tokens.key`` signs what
    ``oauth`` takes (tests.stage.tokens).
    """

    bootstrap: str = ""
    what: str = ""
    sasl: str = ""
    ssl: str = ""
    mtls: str = ""
    elsewhere: str = ""
    expired: str = ""
    oauth: str = ""
    certificates: str = ""

    @property
    def cafile(self) -> str:
        return self.certificate("ssl.pem")

    def certificate(self, name: str) -> str:
        return str(Path(self.certificates) / name)

    @property
    def facts(self) -> dict[str, str]:
        """What another process needs to make the same Broker of."""
        return {one.name: getattr(self, one.name) for one in fields(Broker)}

    def admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.bootstrap, client_id="driftd-tests")

    def create_topic(self, name: str = "t", partitions: int = 1, configs: Mapping[str, str] | None = None) -> str:
        """Make a topic of a name that nobody else has, and wait until every broker knows it."""
        return self.create_named(f"{name}-{uuid.uuid4().hex[:8]}", partitions, configs)

    def create_named(self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None) -> str:
        options = {"num_partitions": partitions, "replication_factor": 1, "configs": dict(configs or {})}
        with closing(self.admin()) as admin:
            admin.create_topics({topic: options}, wait_for_metadata=True)
        return topic

    def configure_topic(self, topic: str, configs: Mapping[str, str]) -> None:
        with closing(self.admin()) as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(configs))])

    def add_partitions(self, topic: str, total: int) -> None:
        with closing(self.admin()) as admin:
            admin.create_partitions({topic: total})

    def recreate(self, topic: str, partitions: int = 1) -> None:
        """Delete a topic and make an empty one of its name."""
        with closing(self.admin()) as admin:
            admin.delete_topics([topic])
        end = time.monotonic() + 30
        while True:
            try:
                self.create_named(topic, partitions)
            except TopicAlreadyExistsError:
                assert time.monotonic() < end, f"{topic} was not deleted"
                time.sleep(0.1)
            else:
                return

    def end_of(self, topic: str, partition: int = 0) -> int:
        """The offset that its next record will have."""
        with closing(KafkaConsumer(bootstrap_servers=self.bootstrap)) as consumer:
            at = TopicPartition(topic, partition)
            return int(consumer.end_offsets([at])[at])

    def delete_records(self, topic: str, before: Mapping[int, int]) -> None:
        """What retention does, now: drop everything before an offset of each partition."""
        with closing(self.admin()) as admin:
            admin.delete_records({TopicPartition(topic, partition): offset for partition, offset in before.items()})

    def allow_only(self, user: str, topic: str, operation: ACLOperation = ACLOperation.DESCRIBE) -> None:
        """Take everything on a topic from SASL users, but this from one (needs a broker of our own). Each call adds."""
        rule = ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, topic))
        with closing(self.admin()) as admin:
            admin.create_acls([rule])

    def allow_everybody(self, topic: str) -> None:
        """Give back what ``allow_only`` took."""
        pattern = ResourcePattern(ResourceType.TOPIC, topic)
        with closing(self.admin()) as admin:
            admin.delete_acls([ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)])

    def producer(self, **settings: Any) -> KafkaProducer:
        return KafkaProducer(**{"bootstrap_servers": self.bootstrap, "acks": "all", "linger_ms": 5} | settings)

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        partition: int | None = None,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
        timestamp_ms: int | None = None,
        **settings: Any,
    ) -> None:
        """Send and wait until everything is acknowledged."""
        with closing(self.producer(**settings)) as producer:
            sent = [
                producer.send(topic, value, key=key, headers=headers, partition=partition, timestamp_ms=timestamp_ms)
                for value in values
            ]
            producer.flush(timeout=60)
            for future in sent:
                future.get(timeout=10)


@dataclass
class LocalBroker(Broker):
    """One KRaft node (broker and controller) in a JVM, in a folder of its own, on free ports of 127.0.0.1.

    Listens in plain text (``bootstrap``), and where it is ``secure`` with SASL SCRAM-SHA-256 (``sasl``, user USER),
    with TLS (``ssl`` and the others of TLS) and with tokens (``oauth``). ``kill9``, ``start`` and ``restart`` keep
    ports and data.
    """

    folder: Path = field(kw_only=True)
    secure: bool = field(kw_only=True)
    process: subprocess.Popen[bytes] | None = None
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("PLAINTEXT", "CONTROLLER", *(("SASL_PLAINTEXT", "OAUTH", *map(str.upper, TLS)) if self.secure else ()))
        self.ports = {name: find_free_port() for name in names}
        self.bootstrap, self.what = self._address("PLAINTEXT"), f"Apache Kafka {VERSION} in a local JVM"
        if self.secure:
            self.sasl, self.certificates = self._address("SASL_PLAINTEXT"), str(self.folder)
            self.ssl, self.mtls = self._address("SSL"), self._address("MTLS")
            self.oauth = self._address("OAUTH")
            self.elsewhere, self.expired = self._address("ELSEWHERE"), self._address("EXPIRED")
            self._make_certificates()
            make_token_key(self.folder)
        (self.folder / "log4j2.properties").write_text(LOG4J)
        (self.folder / "server.properties").write_text(self._properties())
        users = f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"
        self._java(
            "kafka.tools.StorageTool",
            *("format", "--standalone", "-t", CLUSTER, "-c", str(self.folder / "server.properties"), "-S", users),
        )

    def start(self) -> None:
        command = [*self._command("kafka.Kafka"), str(self.folder / "server.properties")]
        self.process = spawn(command, self.folder / "broker.log", own_session=True)
        end = time.monotonic() + START_SECONDS
        while not answers(self.ports["PLAINTEXT"]):
            if self.process.poll() is not None or time.monotonic() > end:
                tail = (self.folder / "broker.log").read_text(errors="replace")[-3000:]
                self.kill9()
                raise RuntimeError(f"kafka: the local broker did not start\n{tail}")
            time.sleep(0.1)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill9(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, sign: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(sign)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=20)
            self.process = None

    def _address(self, listener: str) -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    def _command(self, main: str) -> list[str]:
        return [
            find_java(),
            *("-Xms256m", HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={(self.folder / JWKS).as_uri()}",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            *("-cp", f"{TOOLS / 'libs'}/*", main),
        ]

    def _java(self, main: str, *arguments: str) -> None:
        run([*self._command(main), *arguments])

    def _make_certificates(self) -> None:
        """NAME.pem and NAME.key: self-signed, so certificate and authority at once; ``client`` has signed ``stale``."""
        for name, names in CERTIFICATES.items():
            make = self._make_expired if name in EXPIRED else self._make_certificate
            make(name, names, self.folder / f"{name}.pem", self.folder / f"{name}.key")
        self._let_client_sign("stale")
        locked = ["-passout", f"pass:{KEY_PASSWORD}", "-out", str(self.folder / "locked.key")]
        run(["openssl", "pkey", "-in", str(self.folder / "client.key"), "-aes256", *locked])
        for listener in TLS:
            parts = [(self.folder / f"{listener}.{part}").read_text() for part in ("key", "pem")]
            (self.folder / f"{listener}-store.pem").write_text("".join(parts))

    def _make_certificate(self, name: str, names: str, certificate: Path, key: Path) -> None:
        who = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={names}", "-days", "30"]
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key)]
        run(["openssl", "req", "-x509", *new, *who, "-out", str(certificate)])

    def _make_expired(self, name: str, names: str, certificate: Path, key: Path) -> None:
        """Keytool can begin in the past."""
        who = ["-dname", f"CN={name}", "-ext", f"san={names}", "-ext", "bc=ca:true", "-keyalg", "EC"]
        self._keytool("-genkeypair", name, *who, *THIRTY_DAYS_UNTIL_TEN_DAYS_AGO, "-storetype", "PKCS12")
        given = ["-in", str(self.folder / f"{name}.p12"), "-passin", f"pass:{KEY_PASSWORD}"]
        for part, to in (("-nokeys", certificate), ("-nocerts", key)):
            run(["openssl", "pkcs12", *given, part, "-nodes", "-out", str(to)])

    def _let_client_sign(self, name: str) -> None:
        """A broker checks the dates of what it trusts only of certificates that another one has signed."""
        asked, store = str(self.folder / f"{name}.csr"), str(self.folder / "client.p12")
        self._keytool("-certreq", name, "-file", asked)
        given = ["-in", str(self.folder / "client.pem"), "-inkey", str(self.folder / "client.key"), "-name", "client"]
        run(["openssl", "pkcs12", "-export", *given, "-passout", f"pass:{KEY_PASSWORD}", "-out", store])
        signed = ["-rfc", "-infile", asked, "-outfile", str(self.folder / f"{name}.pem")]
        self._keytool("-gencert", "client", *signed, *THIRTY_DAYS_UNTIL_TEN_DAYS_AGO)

    def _keytool(self, what: str, name: str, *words: str) -> None:
        tool = str(Path(find_java()).with_name("keytool"))
        store = ["-alias", name, "-keystore", str(self.folder / f"{name}.p12"), "-storepass", KEY_PASSWORD]
        run([tool, what, *store, *words])

    def _properties(self) -> str:
        listeners = ",".join(f"{name}://{self._address(name)}" for name in self.ports)
        advertised = ",".join(f"{name}://{self._address(name)}" for name in self.ports if name != "CONTROLLER")
        properties = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": self._address("CONTROLLER"),
            "listeners": listeners,
            "advertised.listeners": advertised,
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": SECURITY,
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 2,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 2,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "log.cleaner.dedupe.buffer.size": 8388608,
            "log.cleaner.backoff.ms": 500,
            "socket.request.max.bytes": 300 << 20,  # topics that take large records say so themselves
        }
        if self.secure:
            scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            properties |= {
                "sasl.enabled.mechanisms": "SCRAM-SHA-256",
                "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": scram,
                "listener.name.mtls.ssl.client.auth": "required",
                "listener.name.mtls.ssl.truststore.type": "PEM",
                "listener.name.mtls.ssl.truststore.location": self.folder / "client.pem",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
                "allow.everyone.if.no.acl.found": "true",
            }
            oauth, here = "org.apache.kafka.common.security.oauthbearer.OAuthBearer", "listener.name.oauth.oauthbearer."
            properties |= {
                "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
                f"{here}sasl.jaas.config": f"{oauth}LoginModule required;",
                f"{here}sasl.server.callback.handler.class": f"{oauth}ValidatorCallbackHandler",
                f"{here}connections.max.reauth.ms": REAUTH_SECONDS * 1000,
                "sasl.oauthbearer.jwks.endpoint.url": (self.folder / JWKS).as_uri(),
                "sasl.oauthbearer.expected.audience": AUDIENCE,
                "sasl.oauthbearer.clock.skew.seconds": 0,
            }
            for listener in (*TLS, OAUTH):
                store = self.folder / f"{'ssl' if listener == OAUTH else listener}-store.pem"
                properties[f"listener.name.{listener}.ssl.keystore.type"] = "PEM"
                properties[f"listener.name.{listener}.ssl.keystore.location"] = store
        return "\n".join(f"{key}={value}" for key, value in properties.items())


@contextlib.contextmanager
def closing(client: Any) -> Iterator[Any]:
    try:
        yield client
    finally:
        client.close()


def answers(port: int) -> bool:
    """Does a broker here name at least one broker that is up? (A Metadata request, version 1, for no topic.)"""
    request = struct.pack(">hhih6si", 3, 1, 1, 6, b"driftd", 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(4096)
    except OSError:
        return False
    return len(answer) >= 12 and struct.unpack(">i", answer[8:12])[0] > 0


def find_java() -> str:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None) or shutil.which("java")
    return str(Path(found).resolve()) if found else ""


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} {command[-1]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def install() -> str:
    """Fetch the broker's jars, unless they are there; the answer is empty, or says why not."""
    if not find_java():
        return "no java (17 or newer) on PATH"
    if not shutil.which("openssl"):
        return "no openssl on PATH to make certificates with"
    pom = pom_xml()
    if (TOOLS / "pom.xml").is_file() and (TOOLS / "pom.xml").read_text() == pom and is_installed():
        return ""
    maven = shutil.which("mvn")
    if maven is None:
        return "no mvn on PATH to fetch Apache Kafka with"
    TOOLS.mkdir(parents=True, exist_ok=True)
    (TOOLS / "pom.xml").write_text(pom)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={TOOLS / 'libs'}"]
    try:
        run([maven, "-q", "-B", "-f", str(TOOLS / "pom.xml"), *goal])
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"mvn could not fetch Apache Kafka {VERSION}: {str(error)[-300:]}"
    return "" if is_installed() else f"mvn fetched no Apache Kafka {VERSION}"


def is_installed() -> bool:
    return (TOOLS / "libs" / f"kafka_2.13-{VERSION}.jar").is_file()


def pom_xml() -> str:
    dependencies = "".join(
        f"    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        "</dependency>\n"
        for group, artifact, version in ARTIFACTS
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0">\n'
        "  <modelVersion>4.0.0</modelVersion>\n"
        "  <groupId>driftd.tests</groupId><artifactId>kafka</artifactId><version>1</version>\n"
        "  <packaging>pom</packaging>\n"
        f"  <dependencies>\n{dependencies}  </dependencies>\n"
        "</project>\n"
    )


@contextlib.contextmanager
def local_broker(*, secure: bool = True) -> Iterator[LocalBroker]:
    """A broker of our own; fetches its jars unless they are there."""
    reason = install()
    need("kafka", not reason, reason)
    with tempfile.TemporaryDirectory(prefix="driftd-kafka-", ignore_cleanup_errors=True) as folder:
        broker = LocalBroker(folder=Path(folder), secure=secure)
        broker.start()
        try:
            yield broker
        finally:
            broker.kill9()


@contextlib.contextmanager
def given_broker() -> Iterator[Broker]:
    yield Broker(os.environ[GIVEN], f"the broker of {GIVEN}")


@contextlib.contextmanager
def container_broker() -> Iterator[Broker]:
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415  (slow to import, rarely used)

    with KafkaContainer().with_kraft() as container:
        yield Broker(container.get_bootstrap_server(), "Apache Kafka in a container")


def docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


KINDS: Final[Mapping[str, Callable[[], contextlib.AbstractContextManager[Broker]]]] = {
    "given": given_broker,
    "container": container_broker,
    "local": local_broker,
}


def first_kind() -> str:
    """The first kind that there is: the environment's, a container, a JVM."""
    if os.environ.get(GIVEN):
        return "given"
    return "container" if docker_answers() else "local"


def any_broker() -> contextlib.AbstractContextManager[Broker]:
    return KINDS[first_kind()]()


def need_jars(run_folder: Path) -> None:
    """Workers install one after the other: the first fetches, the others find."""
    with locked(run_folder / "install.lock"):
        reason = install()
    need("kafka", not reason, reason)


def kept_broker(run_folder: Path, kind: str) -> Broker:
    """The run's broker of this kind (KINDS), started by the worker that asks first."""
    keeper = [sys.executable, "-m", "tests.servers.kafka", "--keep", kind, "--folder", str(run_folder)]
    return Broker(**kept(run_folder, f"kafka_{kind}", keeper))


@pytest.fixture(scope="session")
def kafka(run_folder: Path) -> Broker:
    """A broker for the whole run of tests; do not stop it."""
    kind = first_kind()
    if kind == "local":
        need_jars(run_folder)
    return kept_broker(run_folder, kind)


@pytest.fixture(scope="session")
def secure_kafka(run_folder: Path) -> Broker:
    """A broker of our own with SASL and TLS listeners and an authoriser, for the whole run; do not stop it."""
    need_jars(run_folder)
    return kept_broker(run_folder, "local")


@pytest.fixture(scope="session")
def spare_kafka(run_folder: Path) -> Iterator[LocalBroker]:
    """This worker's broker for ``own_kafka``."""
    need_jars(run_folder)
    with local_broker(secure=False) as broker:
        yield broker


@pytest.fixture
def own_kafka(spare_kafka: LocalBroker) -> LocalBroker:
    """A broker that no other test uses meanwhile: kill it, stop it, start it again. It is up when the test begins."""
    if not spare_kafka.alive:
        spare_kafka.start()
    return spare_kafka


def keep(kind: str, folder: Path) -> None:
    """Run a broker until the run of tests ends, or until SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), keeping(folder), KINDS[kind]() as broker:
        tell(folder, f"kafka_{kind}", broker.facts)
        wait_for_the_end(folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.kafka", description="A Kafka broker for tests.")
    parser.add_argument("--install", action="store_true", help="fetch Apache Kafka into .tools/kafka")
    parser.add_argument("--run", action="store_true", help="run a broker until Ctrl-C")
    parser.add_argument("--keep", choices=KINDS, help="run a broker until a run of tests ends, whose --folder it is")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.keep:
        keep(options.keep, options.folder)
        return 0
    reason = install()
    if reason:
        print(f"kafka: {reason}", file=sys.stderr)
        return 1
    print(f"kafka: Apache Kafka {VERSION} is in {TOOLS}")
    if options.run:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with local_broker() as broker, contextlib.suppress(KeyboardInterrupt):
            print(f"kafka: listening at {broker.bootstrap}", flush=True)
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
