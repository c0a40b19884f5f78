"""Runs every block of commands and of Python in the README in one shell, in order. A command that serves until it is
stopped is started, asked for its page, and stopped."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SERVER = """
echo "+ {command}"
setsid {command} & server=$!
for attempt in $(seq 90); do
    if {python} -c "import urllib.request; urllib.request.urlopen('{url}')" 2> /dev/null; then break; fi
    sleep 1
done
{python} -c "import urllib.request; assert urllib.request.urlopen('{url}').status == 200"
kill -- -$server
"""
SERVERS = {"make ui": "http://127.0.0.1:5000"}


def script(text: str) -> str:
    """One shell script from the README's ```sh and ```python blocks."""
    lines = ["set -euo pipefail"]
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        if language == "python":
            lines += ["echo '+ python'", f"{sys.executable} - <<'END'\n{block}END"]
            continue
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            command = line.split("  #")[0].strip()
            if command in SERVERS:
                lines.append(SERVER.format(command=command, url=SERVERS[command], python=sys.executable))
            elif command and not command.startswith("#"):
                lines += [f"echo {_quoted('+ ' + command)}", command]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    readme = Path(__file__).parent.parent / "README.md"
    commands = script(readme.read_text(encoding="utf-8"))
    raise SystemExit(subprocess.run(["bash", "-c", commands], check=False, stdin=subprocess.DEVNULL).returncode)
