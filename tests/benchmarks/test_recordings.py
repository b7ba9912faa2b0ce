"""Real recordings: which frames come out and what it costs, here and from the peer, in one run.

The recordings are not part of the project (``GSAGENT_TEST_DATA`` names their folder). ``truth.json`` beside them
holds every frame that any decoder has found. The peer is told the same transmitter and runs with its default
options; where it is not installed, what was measured of it elsewhere stands in its place, and the table says so.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent import dsp
from agent.definitions import Downlink
from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import Frame
from agent.sources.recording import open_recording
from agent.telemetry.importers import satyaml
from tests.benchmarks import peer
from tests.benchmarks.cases import write_docs

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

PEERS_AT_ONCE = 3
"""It waits for the recording's pace most of the time."""
TELLING_CPU_S = 0.1
"""Where the peer spends less than this beside its start, which varies as much, there is no ratio to tell."""


def known(entry: dict[str, Any]) -> Downlink | None:
    """Give the downlink of a recording whose modulation and framing are known here."""
    try:
        downlink = satyaml.transmitter(
            "recorded", entry["modulation"], entry["baudrate"], entry["framing"], entry["params"]
        )
        dsp.load(downlink.modulation)
    except (ConfigError, LookupError):
        return None
    return downlink


def receive(recording_path: Path, downlink: Downlink) -> tuple[set[str], float]:
    """Give the frames in hex and the CPU seconds they took."""
    receiver = Receiver("recording", [Transmitter(None, None, downlink)])
    records = []
    before_s = time.process_time()
    with open_recording(recording_path) as recording:
        for block in recording.blocks(0.5):
            records += receiver.feed(block)
    records += receiver.flush()
    used_s = time.process_time() - before_s
    return {record.link_frame.data.hex() for record in records if isinstance(record, Frame)}, used_s


def run_peers(entries: list[dict[str, Any]], folder: Path, to: Path) -> dict[str, tuple[set[str], float]]:
    """Run the peer on every recording: its frames, and what it used beside its start.

    The start is that of the same transmitter on a second of noise, which every recording has behind it too.
    """

    def one(entry: dict[str, Any]) -> tuple[str, tuple[set[str], float]]:
        own = to / entry["recording"].removesuffix(".wav")
        own.mkdir()
        peer.padded(folder / entry["recording"], own / "padded.wav")
        words = {"baudrate": entry["baudrate"], "framing": entry["framing"], **entry["params"]}
        lines = [entry["modulation"], *(f"    {key}: {value}" for key, value in words.items())]
        (own / "satellite.yml").write_text(peer.satyaml("\n".join(lines)), encoding="utf-8")
        peer.write_wav(own / "noise.wav", peer.noise(1.0))
        before, ran, after = (
            peer.run(str(own / "satellite.yml"), own / name, own)
            for name in ("noise.wav", "padded.wav", "noise.wav")
        )
        used_s = ran.cpu_s - 0.5 * (before.cpu_s + after.cpu_s)
        return entry["recording"], ({frame.hex() for frame in ran.frames}, used_s)

    with ThreadPoolExecutor(PEERS_AT_ONCE) as pool:
        return dict(pool.map(one, entries))


def test_recordings_frames_and_cpu_beside_the_peer(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "recordings" / "dev"
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    entries = [entry for entry in truth if known(entry) is not None]
    measured = peer.command() is not None
    peers = run_peers(entries, folder, tmp_path) if measured else {}
    named = "gr-satellites" if measured else "gr-satellites (elsewhere)"
    rows = [f"| recording | signal | frames here | {named}, default | its best options | CPU s | {named} | ratio |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    lost, ours, theirs, ours_cpu_s, theirs_cpu_s = [], 0, 0, 0.0, 0.0
    for entry in entries:
        downlink = known(entry)
        assert downlink is not None
        receive(folder / entry["recording"], downlink)
        got, used_s = receive(folder / entry["recording"], downlink)
        wanted = set(entry["frames_hex"] + entry["frames_hex_other_decoders"])
        assert not got & set(entry["false_frames_hex"]), entry["recording"]
        if wanted - got:
            lost.append(entry["recording"])
        beside, beside_cpu_s = entry["peer_frames_default_options"], entry["peer_cpu_s"]
        if measured:
            frames, cpu_s = peers[entry["recording"]]
            beside, beside_cpu_s = len(frames & wanted), cpu_s
        ours, theirs = ours + len(wanted & got), theirs + beside
        ours_cpu_s, theirs_cpu_s = ours_cpu_s + used_s, theirs_cpu_s + beside_cpu_s
        further = f" (+{len(got - wanted)})" if got - wanted else ""
        rows.append(
            f"| {entry['recording']} | {entry['modulation']} {entry['baudrate']} {entry['framing']} |"
            f" {len(wanted & got)} of {len(wanted)}{further} | {beside} | {len(entry['frames_hex'])} |"
            f" {used_s:.2f} | {max(beside_cpu_s, 0.0):.2f} | {_ratio(used_s, beside_cpu_s)} |"
        )
        print(rows[-1], flush=True)
    rows.append(
        f"| all {len(entries)} | | {ours} | {theirs} | | {ours_cpu_s:.2f} | {theirs_cpu_s:.2f} |"
        f" {_ratio(ours_cpu_s, theirs_cpu_s)} |"
    )
    print(rows[-1])
    print("not all frames of:", ", ".join(lost) or "none")
    write_docs("recordings", "\n".join(rows) + "\n")
    assert ours >= theirs


def _ratio(used_s: float, beside_s: float) -> str:
    if beside_s < TELLING_CPU_S:
        return ""
    share = used_s / beside_s
    return f"1/{1 / share:.1f}" if share < 1 else f"{share:.1f}"
