import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { noise } from "../noise.ts";
import { mustRun } from "../programs.ts";

/** Writes a wheel, with the RECORD that pip checks, by Python's own zipfile. */
const WHEEL_MAKER = `
import base64, hashlib, sys, zipfile
name, folder, noise = sys.argv[1:]
info = f"{name}-1.0.dist-info"
files = {
    f"{name}.py": f"noise = {noise!r}\\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: larder\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}
record = "".join(
    f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\\n"
    for path, text in files.items()
)
with zipfile.ZipFile(f"{folder}/{name}-1.0-py3-none-any.whl", "w") as wheel:
    for path, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\\n"}.items():
        wheel.writestr(path, text)
`;

/** A build backend that lives in the source distribution itself: pip asks it for metadata and needs no index for that. */
const BACKEND = (name: string) => `
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = "${name}-1.0.dist-info"
    os.makedirs(os.path.join(folder, info))
    with open(os.path.join(folder, info, "METADATA"), "w") as f:
        f.write("Metadata-Version: 2.1\\nName: ${name}\\nVersion: 1.0\\n")
    return info
`;
const PYPROJECT = `[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
`;

/**
 * Makes a PEP 503 index in a folder that is there: `simple/NAME/index.html` naming `packages/…` with their sha256.
 * @returns the folder to serve.
 */
export async function createPythonIndex(
  folder: string,
  names: { readonly wheels: readonly string[]; readonly sdists: readonly string[] },
): Promise<string> {
  const index = join(folder, "index");
  const files = join(index, "packages");
  await mkdir(files, { recursive: true });
  for (const name of names.wheels) {
    const text = noise(name, 60_000).toString("base64");
    await mustRun("python3", ["-c", WHEEL_MAKER, name, files, text], { cwd: folder });
  }
  for (const name of names.sdists) await makeSdist(folder, files, name);
  for (const name of [...names.wheels, ...names.sdists]) await writePage(index, name);
  return index;
}

async function makeSdist(folder: string, files: string, name: string): Promise<void> {
  const tree = join(folder, `${name}-1.0`);
  await mkdir(tree);
  await writeFile(join(tree, "PKG-INFO"), `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`);
  await writeFile(join(tree, "pyproject.toml"), PYPROJECT);
  await writeFile(join(tree, "backend.py"), BACKEND(name));
  await writeFile(join(tree, "noise"), noise(name, 200_000));
  await mustRun("tar", ["czf", join(files, `${name}-1.0.tar.gz`), `${name}-1.0`], { cwd: folder });
}

async function writePage(index: string, name: string): Promise<void> {
  const files = (await readdir(join(index, "packages"))).filter((file) => file.startsWith(`${name}-`));
  const links = await Promise.all(files.map((file) => linkTo(index, file)));
  /** PEP 503: runs of `-`, `_` and `.` are one `-`. */
  const page = join(index, "simple", name.replace(/[-_.]+/g, "-"));
  await mkdir(page, { recursive: true });
  await writeFile(join(page, "index.html"), `<!DOCTYPE html><html><body>${links.join("\n")}</body></html>`);
}

async function linkTo(index: string, file: string): Promise<string> {
  const bytes = await readFile(join(index, "packages", file));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return `<a href="../../packages/${file}#sha256=${sha256}">${file}</a>`;
}
