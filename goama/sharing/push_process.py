"""The process that uploads a model while a run trains; it loads no torch, and its last line is a JSON object.

python -m goama.sharing.push_process OWNER/NAME FOLDER MESSAGE     prints {"url": …} or {"failed": why}
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from goama.errors import GoamaError
from goama.sharing.upload import Target, check_login, upload_folder


def push(repository: str, folder: Path, message: str) -> dict[str, str]:
    """What became of an upload: {"url": …} or {"failed": why}. A repository that it creates is private."""
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        check_login(api)
        upload_folder(api, Target(repository, private=True), folder, message, lambda _: None)
    except GoamaError as error:
        return {"failed": str(error)}
    return {"url": f"{api.endpoint}/{repository}"}


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)  # the training comes first
    print(json.dumps(push(sys.argv[1], Path(sys.argv[2]), sys.argv[3])))
