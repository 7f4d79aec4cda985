"""Producer, gate, table, audit, publish, query and proof, in one process and a temporary folder."""

import json
import shutil
import tempfile
from pathlib import Path

import lakegate as lg

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "lakegate.toml").touch()  # every setting has a default
    shutil.copytree(Path(__file__).parent / "contracts", folder / "contracts")

    with lg.open(folder) as project:
        with project.producer("orders") as producer:
            for number in range(1, 101):
                total = -1 if number % 25 == 0 else number + 0.5
                order = {"order_id": number, "placed_at": "2026-03-01T09:30:00Z", "total": total}
                producer.send(json.dumps(order).encode(), key=b"%d" % number)

        done = project.run(until="idle")["orders"]
        print(f"{done.accepted} accepted, {done.rejected} rejected")

        audited = project.audit("orders")
        for result in audited.report.results:
            print(result.sentence())
        audited.publish()

        project.sql("select count(*) as orders, sum(total) as revenue from orders").show()
        print("proven:", project.status().proven)
