"""Metrics: read by a real Prometheus, and checked by its promtool."""

import json
import shutil
import subprocess
import urllib.parse

import pytest
from topology import Pair
from weft import BACKGROUND, wait_until

if shutil.which("prometheus") is None:
    pytest.skip("Debian's prometheus is not installed", allow_module_level=True)

CONFIG = """\
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: weft
    static_configs: [{targets: ["127.0.0.1:9464"]}]
"""


@pytest.fixture(scope="module")
def pair(module_lab):
    def change(node, config):
        if node == "a":
            config["metrics"] = {"listen": "127.0.0.1:9464"}
    return Pair(module_lab, change)


def curl(pair, url):
    return pair.nodes["a"].run("curl", "-sS", "--max-time", "5", url)


def test_promtool_finds_nothing_to_say(pair):
    pair.vms["blue", "a"].ping("10.1.0.12")
    text = curl(pair, "http://127.0.0.1:9464/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_listener_tells_and_changes_nothing(pair):
    for path, code in (("/metrics", 200), ("/healthz", 200), ("/v1/vif", 404), ("/v1/reload", 404)):
        said = curl(pair, f"http://127.0.0.1:9464{path}")
        done = pair.nodes["a"].run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                   f"http://127.0.0.1:9464{path}")
        assert done == str(code), said
    done = pair.nodes["a"].run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST",
                               "http://127.0.0.1:9464/v1/reload")
    assert done == "405"
    over_socket = pair.nodes["a"].run("curl", "-s", "--unix-socket", pair.a.socket,
                                      "http://weftd/metrics")
    assert "weft_build_info" in over_socket


def test_prometheus_scrapes_and_answers(pair, module_lab):
    """What a query says is what weftctl shows."""
    directory = module_lab.directory / "prometheus"
    directory.mkdir()
    (directory / "prometheus.yml").write_text(CONFIG)
    with open(directory / "log", "w", encoding="utf-8") as log:
        process = pair.nodes["a"].start(
            "prometheus", f"--config.file={directory}/prometheus.yml",
            f"--storage.tsdb.path={directory}/data", "--web.listen-address=127.0.0.1:9465",
            stdout=log, stderr=log)

    def query(expression):
        text = curl(pair, "http://127.0.0.1:9465/api/v1/query?query="
                    + urllib.parse.quote(expression))
        return [(r["metric"], float(r["value"][1])) for r in json.loads(text)["data"]["result"]]

    def ready():
        assert process.poll() is None, (directory / "log").read_text()
        try:
            return query("up == 1")
        except (AssertionError, json.JSONDecodeError):
            return False
    wait_until(ready, 30, "the first scrape")

    vm = pair.vms["blue", "a"]
    before = pair.a.drops()["spoofed_ip"]
    assert vm.ping("10.1.0.12", count=50, interval=0.01) == 50
    vm.ip("addr", "add", "10.1.0.99/24", "dev", "vm0")
    vm.run("ping", "-c", 3, "-i", 0.1, "-W", 1, "-I", "10.1.0.99", "10.1.0.12", check=False)
    wait_until(lambda: pair.a.drops()["spoofed_ip"] >= before + 3, 5, "drops")

    def agrees():
        tunnel = pair.a.row("tunnel", "to-blue")
        decap = pair.a.row("decap", "from-blue")
        stats = {(r["object"], r["counter"]): r["value"] for r in pair.a.table("stats")}
        wanted = {
            'weft_tunnel_transmit_packets_total{tunnel="to-blue"}': tunnel["packets"],
            'weft_tunnel_transmit_bytes_total{tunnel="to-blue"}': tunnel["bytes"],
            'weft_decap_receive_packets_total{decap="from-blue"}': decap["packets"],
            'weft_drop_packets_total{reason="spoofed_ip"}': pair.a.drops()["spoofed_ip"],
            'weft_vif_receive_packets_total{vif="blue"}': stats["port blue", "rx_packets"],
            'weft_vif_transmit_bytes_total{vif="blue"}': stats["port blue", "tx_bytes"],
            'weft_port_transmit_packets_total{port="fab0"}': stats["port fab0", "tx_packets"],
            'weft_vrf_receive_packets_total{vrf="blue"}': stats["port blue", "rx_packets"],
        }
        found = {expression: [value for _, value in query(expression)] for expression in wanted}
        assert wanted['weft_tunnel_transmit_packets_total{tunnel="to-blue"}'] >= 50
        return all(found[e] == [float(v)] for e, v in wanted.items()) or None

    wait_until(agrees, 15, "Prometheus and weftctl agree", interval=0.3)
    assert len(query("weft_worker_idle_ratio")) == 2
    assert all(0 <= value <= 1 for _, value in query("weft_worker_idle_ratio"))
    assert query('sum(weft_handler_duration_seconds_count{handler="tick"})')[0][1] > 0
    assert query("histogram_quantile(0.99, rate(weft_handler_duration_seconds_bucket[10s]))")
    assert BACKGROUND in {labels["reason"] for labels, _ in query("weft_drop_packets_total")}
    process.terminate()
    process.wait(10)
