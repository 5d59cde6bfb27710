import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

/** A repository as large as the largest, made of invented packages. */
export interface BigRepository {
  readonly name: string;
  /** To be served as it is. */
  readonly folder: string;
  /** Paths below it: the root, the index it declares, and the last package that the index declares. */
  readonly root: string;
  readonly index: string;
  readonly lastPackage: string;
  readonly packages: number;
  /** Of the index, as it is read. */
  readonly bytes: number;
}

const run = promisify(execFile);
/** What Debian's main has for one architecture. */
const DEB_PACKAGES = 65_000;
/** What Fedora's Everything comes to with its updates. */
const RPM_BYTES = 100 * 2 ** 20;

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A Debian suite whose Packages.xz has 65,000 packages. */
export async function makeDebRepository(folder: string): Promise<BigRepository> {
  const index = "dists/sid/main/binary-amd64/Packages";
  await mkdir(join(folder, "dists/sid/main/binary-amd64"), { recursive: true });
  const stanzas = Array.from({ length: DEB_PACKAGES }, (_, number) => stanza(number));
  const bytes = await write(join(folder, index), stanzas);
  await run("xz", ["-1", join(folder, index)]);
  const packed = await readFile(join(folder, `${index}.xz`));
  const digest = createHash("sha256").update(packed).digest("hex");
  const root = "dists/sid/Release";
  const release = `Origin: bench\nSuite: sid\nSHA256:\n ${digest} ${packed.length} main/binary-amd64/Packages.xz\n`;
  await writeFile(join(folder, root), release);
  const lastPackage = debPath(DEB_PACKAGES - 1);
  const facts = { root, index: `${index}.xz`, lastPackage, packages: DEB_PACKAGES, bytes };
  return { name: "65,000 packages of a Packages.xz", folder, ...facts };
}

/** An RPM repository whose primary.xml.zst unpacks to 100 MiB. */
export async function makeRpmRepository(folder: string): Promise<BigRepository> {
  await mkdir(join(folder, "repodata"), { recursive: true });
  const size = Buffer.byteLength(packageXml(0));
  const packages = Math.ceil(RPM_BYTES / size);
  const xml = Array.from({ length: packages }, (_, number) => packageXml(number));
  const file = join(folder, "repodata/primary.xml");
  const head = `<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="${packages}">\n`;
  const bytes = await write(file, [head, ...xml, "</metadata>\n"]);
  const openDigest = createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
  await run("zstd", ["-q", "--rm", file]);
  const packed = await readFile(`${file}.zst`);
  const digest = createHash("sha256").update(packed).digest("hex");
  const repomd = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"><checksum type="sha256">${digest}</checksum>
<open-checksum type="sha256">${openDigest}</open-checksum><location href="repodata/primary.xml.zst"/>
<size>${packed.length}</size><open-size>${bytes}</open-size></data></repomd>
`;
  await writeFile(join(folder, "repodata/repomd.xml"), repomd);
  const facts = { root: "repodata/repomd.xml", index: "repodata/primary.xml.zst", packages, bytes };
  return { name: "100 MiB of a primary.xml.zst", folder, ...facts, lastPackage: rpmPath(packages - 1) };
}

async function write(file: string, parts: readonly string[]): Promise<number> {
  await pipeline(Readable.from(parts), createWriteStream(file));
  return (await stat(file)).size;
}

const nameOf = (number: number): string => `lib${digestOf(`name ${number}`).slice(0, 12)}-${number}`;
const debPath = (number: number): string => `pool/main/l/${nameOf(number)}/${nameOf(number)}_1.${number}-1_amd64.deb`;
const rpmPath = (number: number): string => `Packages/l/${nameOf(number)}-1.${number}-1.fc44.x86_64.rpm`;

/** With the fields that Debian's has, at their usual lengths. */
function stanza(number: number): string {
  const name = nameOf(number);
  const depends = [1, 2, 3, 4].map((step) => `${nameOf(Math.max(0, number - step * 7))} (>= 1.${step})`).join(", ");
  return `Package: ${name}
Source: ${name}-src
Version: 1.${number}-1
Installed-Size: ${number % 9000}
Maintainer: Bench Maintainers <bench@larder.invalid>
Architecture: amd64
Depends: libc6 (>= 2.38), ${depends}
Description: an invented package of the measurements
Multi-Arch: same
Homepage: https://larder.invalid/${name}
Description-md5: ${digestOf(`description ${number}`).slice(0, 32)}
Tag: devel::library, implemented-in::c, role::shared-lib
Section: libs
Priority: optional
Filename: ${debPath(number)}
Size: ${10_000 + number}
MD5sum: ${digestOf(`md5 ${number}`).slice(0, 32)}
SHA256: ${digestOf(`content ${number}`)}

`;
}

function packageXml(number: number): string {
  const name = nameOf(number);
  const requires = [1, 2, 3, 4, 5, 6].map(
    (step) => `<rpm:entry name="${nameOf(number + step)}" flags="GE" epoch="0" ver="1.${step}"/>`,
  );
  return `<package type="rpm"><name>${name}</name><arch>x86_64</arch><version epoch="0" ver="1.${number}" rel="1.fc44"/>
<checksum type="sha256" pkgid="YES">${digestOf(`content ${number}`)}</checksum><summary>An invented package</summary>
<description>An invented package of the measurements, with a text of a line or two, as most of them have, and a bit more.</description>
<packager>Bench Maintainers</packager><url>https://larder.invalid/${name}</url><time file="1700000000" build="1700000000"/>
<size package="${10_000 + number}" installed="40000" archive="41000"/><location href="${rpmPath(number)}"/>
<format><rpm:license>MIT</rpm:license><rpm:group>Unspecified</rpm:group><rpm:sourcerpm>${name}-1-1.src.rpm</rpm:sourcerpm>
<rpm:provides><rpm:entry name="${name}" flags="EQ" epoch="0" ver="1.${number}" rel="1.fc44"/></rpm:provides>
<rpm:requires>${requires.join("")}</rpm:requires><file>/usr/lib64/${name}.so</file></format></package>
`;
}
