"""Certificates by the openssl command, which encodes XMPP addresses independently of us."""

from weft import run

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Pki:
    """A CA in a directory, and what it issues."""

    def __init__(self, directory, name="ca"):
        self.directory = directory
        self.name = name
        run("openssl", "req", "-x509", *KEY, "-days", 1, "-subj", f"/CN=Weft test {name}",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem")

    @property
    def ca(self):
        return self.directory / f"{self.name}.pem"

    def issue(self, name, address, dns=None):
        """(certificate, key) for an XMPP address, and a host name where other implementations want one."""
        key, cert = self.directory / f"{name}.key", self.directory / f"{name}.pem"
        names = f"otherName:1.3.6.1.5.5.7.8.5;UTF8:{address}" + (f",DNS:{dns}" if dns else "")
        run("openssl", "req", "-x509", *KEY, "-days", 1, "-subj", f"/CN={name}",
            "-CA", self.ca, "-CAkey", self.directory / f"{self.name}.key",
            "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth,serverAuth",
            "-addext", f"subjectAltName={names}", "-keyout", key, "-out", cert)
        return cert, key
