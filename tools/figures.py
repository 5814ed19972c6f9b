"""Write the tables of measured figures into README and guides, from what the full runs left in benchmarks/results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

RESULTS = ROOT / "benchmarks" / "results"

BEGIN, END = "<!-- figures: written by `make reference` from benchmarks/results -->", "<!-- end of figures -->"

IMBALANCE = "<!-- imbalance: written by `make reference` from benchmarks/results -->"

LAYERS = "<!-- layers: written by `make reference` from benchmarks/results -->"

VARIANTS = {"all": "all features", "plain": "without categories and merchants"}
"""What the benchmark of layers calls its two sets of features, and what the guide does."""

SIMULATOR = "<!-- simulator: written by `make reference` from benchmarks/results -->"

LINES: dict[str, tuple[str, ...]] = {
    "history": (
        "Backfill of identical window features, one thread: {ours_events_per_s:,.0f} events/s, "
        "{ratio_polars:.1f} x Polars (target 5), {ratio_duckdb:.1f} x DuckDB (target 3), {ratio_pandas:.1f} x pandas",
        "One key's update and scan: {ns_per_key_update:.0f} ns (target 500)",
    ),
    "decide": (
        "A whole decision in process ({windows} window features, {trees} trees, {rules} rules, reasons): "
        "{p50_us:.0f} µs median (target 300), {p99_us:.0f} µs p99",
        "The same in batches: {batched_per_s:,.0f} decisions/s on one core (target 25,000)",
    ),
    "http": (
        "HTTP, 32 connections: {closed_per_s:,.0f} decisions/s, {ratio_echo:.2f} x an echo endpoint on the same server "
        "(target 0.5)",
        "HTTP, open loop at {open_rate:,.0f}/s: p50 {open_p50_ms:.1f} ms, p99 {open_p99_ms:.1f} ms, "
        "p99.9 {open_p999_ms:.1f} ms (target p99 below 10)",
        "Beside the usual design (FastAPI, pydantic, Redis counters, booster in one process): "
        "{ratio_usual_design:.1f} x its rate (target 10)",
    ),
    "sustained": (
        "Events in, decisions out, log included, both cores, {seconds:,.0f} s: {per_s:,} decisions/s (target 50,000), "
        "p99 {p99_ms:.0f} ms from arrival to logged (target 100)",
    ),
    "log": (
        "Appending a decision of {features} features beside {ids_known:,} known ids: {us_per_decision_appended:.1f} µs "
        "in batches of 256 (target 4), {us_batch_of_one:.0f} µs alone (target 60)",
        "HTTP with the log in a file: {ratio_http_with_log:.2f} x that without (target 0.8)",
    ),
    "recovery": (
        "Folding a log: {entries_per_s:,} entries/s (target 200,000); {snapshot_keys:,} keys from a snapshot in "
        "{snapshot_restore_s:.1f} s (target 10)",
    ),
    "crash": (
        "Killed {rounds} times under load, {in_flight_rounds} with requests on their way: of {acknowledged:,} answered "
        "events {lost} lost, {decided_twice} decided twice, {differences} decided otherwise than without a kill",
    ),
    "verify": (
        "{events:,} handbook transactions, every entry point, {restarts} restarts: {features_differing} of "
        "{features_compared:,} features and {scores_differing} of {scores_compared:,} decisions differ",
    ),
    "verify_stack": (
        "The same with every kind of model in one stack, on linked entities and last events: {events:,} simulated "
        "payments, {restarts} restarts: {features_differing} of {features_compared:,} features and {scores_differing} "
        "of {scores_compared:,} decisions differ",
    ),
    "soak": (
        "{seconds:,.0f} s at {rate_per_s:,}/s, half of the most: memory {growth_last_half:+.1%} in the last half "
        "(target below 2 %), p99.9 {p999_ms:.0f} ms",
    ),
    "growth": (
        "Cost per event at {large_events:,} events: {ratio_cost_20m_over_1m:.2f} x that at {small_events:,} "
        "(target 1.3)",
        "A key with a million events: {ratio_hot_key_over_light:.2f} x a key with a hundred (target 3)",
        "Memory: {bytes_per_light_key:,.0f} bytes for a light key",
    ),
    "forest": (
        "Serving {trees} trees: {us_per_row_batched:.1f} µs a row, {us_per_row_with_contributions:.1f} µs with "
        "contributions; {ratio_onnx:.1f} x ONNX Runtime, {ratio_library:.1f} x the library",
    ),
    "stack": (
        "A decision by {trees} trees, a logistic regression, an isolation forest, a net and a sequence net, all asked, "
        "with {windows} windows, {rules} rules and reasons: {p50_us:.0f} µs median, {p99_us:,.0f} µs p99 (target "
        "15,000)",
        "The same in batches: {batched_per_s:,.0f} decisions/s on one core (target 10,000); "
        "by the trees alone {trees_alone[batched_per_s]:,.0f}",
    ),
    "rules": (
        "{rules} rules back-tested over {events:,} events, one core: {seconds:.2f} s with money, weeks, overlaps and "
        "examples (target {target_s}); the conditions alone {seconds_evaluating:.2f} s, "
        "{ratio_polars_evaluating:.1f} x Polars, {ratio_duckdb_evaluating:.1f} x DuckDB",
    ),
    "queue": (
        "Value found in an hour of review, {alerts:.0%} of the payments to review and minutes for {capacity:.0%} of "
        "them: {over_first_come:.1f} x first come (target 3), {over_score:.2f} x by score (target 1.5, where knowing "
        "everything gives {all_knowing_over_score:.2f}); with minutes for 2 % of them "
        "{others[alerts 0.05, capacity 0.02][over_score]:.1f} x by score",
    ),
    "desk": (
        "Review over {decisions:,} decisions of which {waiting:,} wait: next case in {next_ms:.0f} ms, "
        "{next_worst_ms:.0f} at worst (target 300); list {list_ms:.0f} ms, verdict {decide_ms:.0f} ms; made anew in "
        "{seconds_to_make_the_book:.1f} s",
    ),
    "console": (
        "The console over {decisions:,} decisions with {waiting:,} open cases, in a browser on the same cores: slowest "
        "page {worst_page_p95_s:.2f} s at p95 (target 1), next case {next_case[median_s]:.2f} s, "
        "{next_case[p95_s]:.2f} at p95 (target 0.3), search {search[p95_s]:.2f} s at p95 (target 1)",
        "The p99 of decisions with ten desks open: {ratio_p99[ten_desks_open]:.2f} x that with none (target 1.1), "
        "{ratio_p99[ten_desks_worked_at]:.2f} x while one of them is worked at on the machine that decides",
    ),
    "promotion": (
        "A challenger promoted or gone back on {promotions} times among {requests:,} payments at {rate_per_s}/s: "
        "{failed} failed, {mixed_versions} of mixed versions, p99 meanwhile {ratio_p99:.2f} x that without (target 2)",
    ),
    "whatif": (
        "{events:,} decisions with {features} features, {rules} rules and 500 trees made again with another bundle: "
        "{seconds:.0f} s on one core (target 60), {differing_from_really_deciding} of them not what really deciding "
        "gives; payments with {payments[features]} features, own declines and outcomes: "
        "{payments[seconds_per_million]:.0f} s a million",
    ),
    "loop": (
        "Half a year of simulated payments, a new fraud pattern from month four: from two weeks after its first label "
        "on the loop finds {on:.1%} of it at equal alerts (target 80 % of the level that plenty of labels allow, which "
        "is {eventual:.1%}); without the loop {off:.1%}",
    ),
    "sequential": (
        "Champion and challenger, looked at daily for five weeks: {worst_false_promotions:.1%} false promotions in the "
        "worst of six cases without an improvement, {runs:,} runs each (target 5 %), where errors without any "
        "allowance give up to {worst_naive:.0%}",
        "In {decisions:,} decisions a shadow that saves {size:.0%} of the champion's cost is found in "
        "{power_at_size:.1%} (target 80 %); on half of the traffic {split_size:.0%} in {power_at_split_size:.0%}",
    ),
    "handbook": (
        *(
            f"Fraud Detection Handbook, {words}: "
            + ", ".join(
                f"{label} {{targets[{protocol}][{name}][value]:.3f}} "
                f"(target {{targets[{protocol}][{name}][target]:.3f}}, "
                f"oracle {{targets[{protocol}][{name}][oracle]:.3f}})"
                for name, label in (("auc", "AUC"), ("ap", "average precision"), ("cp100", "card precision@100"))
            )
            + f"; {{targets[{protocol}][ap_of_oracle]:.1%}} of the oracle's average precision (target 95 %)"
            for protocol, words in (
                ("prequential", "four folds of seven training days"),
                ("prequential_long", "four folds, all that was known before"),
                ("single", "single split"),
            )
        ),
        "The same, best published: single split .871, .658, .291; folds .879, .687, .305",
    ),
    "nets": (
        "The same four folds, average precision over three seeds: net {lines[net][ap][0]:.3f} (published .675), "
        "LSTM {lines[lstm][ap][0]:.3f} (published .665), GRU {lines[gru][ap][0]:.3f}, "
        "attention {lines[attention][ap][0]:.3f}, trees {lines[trees][ap][0]:.3f}",
        "In validation, without labels: isolation forest {validation[isolation][ap]:.3f} (published .164), "
        "autoencoder {validation[autoencoder][ap]:.3f} (published .18)",
        "A stack of all of them beside trees alone: average precision {over_trees[ap][0]:+.4f} "
        "({over_trees[ap][1]:+.4f} to {over_trees[ap][2]:+.4f})",
    ),
    "simulator": (
        "Simulated payments, {reported:,} reported frauds in the test: average precision of the stack "
        "{lines[stack][ap][0]:.3f} ({lines[stack][ap][1]:.3f} to {lines[stack][ap][2]:.3f}), trees "
        "{lines[trees][ap][0]:.3f}, logistic regression {lines[logistic][ap][0]:.3f}, oracle "
        "{lines[oracle][ap][0]:.3f}; {lines[stack][of_oracle][0]:.1%} of the oracle's (target 90 %)",
        "Recall at precision 0.95 of what is reported (asked 0.90): stack {lines[stack][recall][0]:.3f}, oracle "
        "{lines[oracle][recall][0]:.3f}; precision at recall 0.90 (asked 0.95): stack "
        "{lines[stack][precision][0]:.3f}, oracle {lines[oracle][precision][0]:.3f}",
    ),
    "drift": (
        "Drift, seeds held out: {held_out[flagged][share]:.0%} of 20 real changes flagged within 2 days (target 95 %), "
        "{held_out[told_apart][share]:.0%} told apart, world or pipeline (target 80 %), an alarm in "
        "{held_out[false_alarms][share]:.0%} of 20 spans of 12 quiet days (target 5 %), in "
        "{held_out[false_alarms_by_looks][share]:.1%} of the looks without a change",
        "The same on seeds first run after everything was fixed: {fresh[flagged][share]:.0%}, "
        "{fresh[told_apart][share]:.0%}, {fresh[false_alarms][share]:.0%}, {fresh[false_alarms_by_looks][share]:.1%}",
    ),
}
"""What is told of each benchmark; a line whose keys a result does not have is left out."""


def block() -> str:
    """Return the block of the README between its two marks, marks included."""
    found = [
        (id_, json.loads(path.read_text(encoding="utf-8")))
        for id_ in LINES
        if (path := RESULTS / f"{id_}.json").exists()
    ]
    rows = [f"| `{id_}` | {text} |" for id_, result in found for line in LINES[id_] if (text := _told(line, result))]
    if not rows:
        return f"{BEGIN}\n{END}"
    machines = sorted({_machine(result) for _, result in found})
    return "\n".join([BEGIN, "| benchmark | measured |", "|---|---|", *rows, "", f"On {'; '.join(machines)}.", END])


def write(readme: Path = ROOT / "README.md", guides: Path = ROOT / "docs" / "guides") -> None:
    """Put the blocks into README and guides, where their marks are."""
    blocks = (
        (readme, BEGIN, block()),
        (guides / "train.md", IMBALANCE, imbalance()),
        (guides / "train.md", LAYERS, layers()),
        (guides / "simulate.md", SIMULATOR, simulator()),
    )
    for path, begin, made in blocks:
        pattern = re.compile(re.escape(begin) + r".*?" + re.escape(END), re.DOTALL)
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(made.replace("\\", "\\\\"), text), encoding="utf-8")


def imbalance() -> str:
    """Return the guide's table of what can be done about few frauds, marks included."""
    rows = []
    if (path := RESULTS / "imbalance.json").exists():
        ways = json.loads(path.read_text(encoding="utf-8"))["ways"]
        rows = [
            "| way | average precision | AUC | card precision@100 | frauds expected to actual |",
            "|---|---|---|---|---|",
        ]
        rows += [
            f"| {name} | {one['ap']:.3f} | {one['auc']:.3f} | {one['cp100']:.3f} | {one['expected_to_actual']:.2f} |"
            for name, one in ways.items()
        ]
    return "\n".join([IMBALANCE, *rows, END])


def layers() -> str:
    """Return the guide's tables of what layers and members of a stack are worth, marks included."""
    parts = []
    if (path := RESULTS / "layers.json").exists():
        for name, one in json.loads(path.read_text(encoding="utf-8"))["variants"].items():
            parts += [*_benefit(VARIANTS[name], one), ""]
    if (path := RESULTS / "nets.json").exists():
        parts += [*_benefit("handbook, four test folds", json.loads(path.read_text(encoding="utf-8"))), ""]
    return "\n".join([LAYERS, *parts, END])


def _benefit(called: str, one: dict[str, Any]) -> list[str]:
    """Return the table of one set of features, and a sentence for each layer."""
    lines, gains = one["lines"], {**one["gains"], **one["members"]}
    head = [called, "average precision", "recall at 1 % false positives", "value at 1 % looked at", "gain", "µs a row"]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, line in lines.items():
        part = name.removeprefix("without ")
        if name.startswith("without ") and part in one["members"]:
            continue
        cells = [_with_interval(line[figure]) for figure in ("ap", "recall", "value")]
        gain = gains[part]["ap"] if part in gains else None
        told = "" if gain is None else _with_interval(gain, sign="+")
        time = "" if line["us_a_row"] is None else f"{line['us_a_row']:.1f}"
        rows.append(f"| {'stack as served' if name == 'stack' else name} | {' | '.join(cells)} | {told} | {time} |")
    rows.append("")
    for layer in one["gains"]:
        asked, pays = one.get("asked", {}).get(layer), one["pays"][layer]
        helped = one.get("helps", {}).get(layer)
        if helped is None:
            verdict, how = "pays" if pays else "does not pay here, and is off unless `sure=0.0`", ""
        else:
            verdict = "pays" if pays else "is not sure to pay here"
            how = f"; a stack {'leaves it on' if helped >= 0.9 else 'has it off'}, of help in {helped:.0%} of the draws"
        rows.append(f"- Layer `{layer}` {verdict}{how}{_asked(asked)}.")
    return rows


def _asked(share: float | None) -> str:
    return "" if share is None else f"; it was asked about {share:.1%} of the events"


def _with_interval(found: list[float], sign: str = "") -> str:
    value, low, high = (format(x, f"{sign}.3f") for x in found)
    return f"{value} ({low} to {high})"


def simulator() -> str:
    """Return the guide's tables of what can be found in the simulated world, marks included."""
    rows: list[str] = []
    if (path := RESULTS / "simulator.json").exists():
        result = json.loads(path.read_text(encoding="utf-8"))
        recalls = [r for r in result["recalls"] if r >= 0.3]
        rows = [
            "| ranking | average precision | " + " | ".join(f"at {r:.0%}" for r in recalls) + " |",
            "|---" * (len(recalls) + 2) + "|",
        ]
        for name, points in result["points"].items():
            told = [f"{p:.3f}" for r, p in zip(result["recalls"], points, strict=True) if r in recalls]
            ap = "{:.3f} ({:.3f} to {:.3f})".format(*result["lines"][name]["ap"])
            rows.append("| " + " | ".join([name, ap, *told]) + " |")
        rows += ["", "| pattern | reported in the test | trees | stack |", "|---|---|---|---|"]
        rows += [
            f"| `{name}` | {one['reported']:,} | {one['trees']:.0%} | {one['stack']:.0%} |"
            for name, one in result["patterns"].items()
        ]
        noise = result["noise"]
        rows += [
            "",
            f"Of {result['reported']:,} reported payments {noise['visible_reported']:,} were frauds that can be seen, "
            f"{noise['looks_honest_reported']:,} frauds that look honest, and {noise['honest_reported']:,} honest; "
            f"{noise['visible_unreported']:,} frauds that can be seen and {noise['looks_honest_unreported']:,} that "
            "look honest were never reported.",
        ]
    return "\n".join([SIMULATOR, *rows, END])


def _told(line: str, result: dict[str, Any]) -> str:
    try:
        return line.format(**result)
    except KeyError:
        return ""


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    cores = f"{machine['cores']} core{'s' if machine['cores'] != 1 else ''}"
    return f"{machine['processor']}, {cores}, {machine['memory_gb']:.0f} GB, Python {machine['python']}"


if __name__ == "__main__":
    write()
