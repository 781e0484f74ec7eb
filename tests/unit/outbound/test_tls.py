import datetime
import ipaddress
import ssl
from contextlib import closing

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.outbound.web import WebServer
from worker.engine.inbox import Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.client import GuardedClient
from worker.outbound.errors import ConnectionFailed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for ``service.example`` and 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("service.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = WebServer(context)
    server.names = []
    context.sni_callback = lambda sock, name, _: server.names.append(name)
    with server:
        server.routes["/"] = lambda seen, answer: answer.send(b"secret")
        yield server


@pytest.fixture
def client():
    client = GuardedClient(("127.0.0.1/32",), resolver=lambda host, port: ["127.0.0.1"])
    yield client
    client.close()


def get(client, url, **options):
    return client.send(OutboundRequest("GET", url, **options), Inbox())


def test_a_certificate_of_nobody_we_trust_is_refused(client, secure):
    with pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
        get(client, secure.url)

    assert secure.seen == []


def test_the_node_can_switch_the_check_off(client, secure):
    assert get(client, secure.url, verify_tls=False).body == b"secret"
    with pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
        get(client, secure.url)


def test_the_operator_can_forbid_that(secure):
    strict = closing(GuardedClient(("127.0.0.1/32",), allow_insecure_tls=False))

    with strict as client, pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
        get(client, secure.url, verify_tls=False)

    assert secure.seen == []


def test_the_name_is_sent_and_checked_although_the_address_is_called(client, secure, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert get(client, f"https://service.example:{secure.port}/").body == b"secret"
    assert secure.names == ["service.example"]
    assert secure.seen[0].headers["host"] == f"service.example:{secure.port}"
    with pytest.raises(ConnectionFailed, match="Hostname mismatch"):
        get(client, f"https://other.example:{secure.port}/")


def test_tls_connections_are_used_again(client, secure):
    for _ in range(3):
        get(client, secure.url, verify_tls=False)

    assert secure.connections == 1
