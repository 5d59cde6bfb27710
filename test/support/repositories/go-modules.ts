import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../programs.ts";

/** What `go mod download` asks a proxy for: go.dev/ref/mod, "GOPROXY protocol". */
const ZIP = `import sys, zipfile
with zipfile.ZipFile("v1.0.0.zip", "w") as archive:
    for name in ("go.mod", "larder.go"):
        archive.write(name, sys.argv[1] + "@v1.0.0/" + name)
`;

/** Publishes version 1.0.0 of a module of one package. @returns the folder that is to be served as GOPROXY */
export async function createGoModule(folder: string, module: string): Promise<string> {
  const versions = join(folder, module, "@v");
  await mkdir(versions, { recursive: true });
  const files = {
    "go.mod": `module ${module}\n`,
    "v1.0.0.mod": `module ${module}\n`,
    "v1.0.0.info": JSON.stringify({ Version: "v1.0.0", Time: "2025-03-04T10:00:00Z" }),
    "larder.go": "package larder\n",
    list: "v1.0.0\n",
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(versions, name), text);
  await mustRun("python3", ["-c", ZIP, module], { cwd: versions });
  return folder;
}
