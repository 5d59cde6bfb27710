"""What uv puts on the wire for one wheel, by its source (uv-client: registry_client.rs, remote_metadata.rs)."""
import hashlib, io, json, sys, zipfile
import requests

index, proxy, ca, way = sys.argv[1:]
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
# The central directory is guessed to be no longer; members are read in buffers of the second length.
TAIL, BUFFER = 16384, 8192

uv = requests.Session()
uv.trust_env, uv.verify, uv.proxies = False, ca, {"http": proxy, "https": proxy}
uv.headers = {"User-Agent": "uv/0.6.0", "Accept": "*/*", "Accept-Encoding": "gzip"}
IDENTITY = {"Accept-Encoding": "identity"}

page = uv.get(f"{index}larder-wheel/", headers={"Accept": ACCEPT})
page.raise_for_status()
[file] = page.json()["files"]
url = file["url"]


def by_ranges():
    head = uv.head(url, headers=IDENTITY)
    head.raise_for_status()
    if head.headers.get("Accept-Ranges") != "bytes":
        sys.exit("ranges are not supported")
    length = int(head.headers["Content-Length"])
    wheel = bytearray(length)

    def fetch(first, end):
        part = uv.get(url, headers={**IDENTITY, "Range": f"bytes={first}-{end - 1}"})
        if part.status_code != 206 or part.headers["Content-Range"] != f"bytes {first}-{end - 1}/{length}":
            sys.exit(f"{part.status_code} {part.headers}")
        wheel[first:end] = part.content

    fetch(max(0, length - TAIL), length)
    [entry] = [each for each in zipfile.ZipFile(io.BytesIO(wheel)).infolist() if each.filename.endswith("/METADATA")]
    size = entry.compress_size + 30 + len(entry.filename)
    fetch(entry.header_offset, min(length, entry.header_offset + -(-size // BUFFER) * BUFFER))
    return zipfile.ZipFile(io.BytesIO(wheel)).read(entry).decode()


def beside():
    if not file.get("core-metadata"):
        sys.exit("the page tells of no metadata")
    answer = uv.get(f"{url}.metadata")
    answer.raise_for_status()
    if hashlib.sha256(answer.content).hexdigest() != file["core-metadata"]["sha256"]:
        sys.exit("the metadata is not what the page says")
    return answer.text


metadata = by_ranges() if way == "ranges" else beside()
whole = uv.get(url, headers=IDENTITY)
whole.raise_for_status()
print(json.dumps({"metadata": metadata, "sha256": hashlib.sha256(whole.content).hexdigest()}))
