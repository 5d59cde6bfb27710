import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { openSignatures, type SignatureChecker, type SignatureOptions } from "../../learn/signatures/signatures.ts";
import { test as base } from "../support/fixtures.ts";
import { Signer } from "../support/repositories/signer.ts";

const RELEASE = "Origin: larder tests\nSuite: stable\nSHA256:\n - dashed 0  \n ab 12 main/Packages\n";
const REPOMD = '<?xml version="1.0"?>\n<repomd><revision>1</revision></repomd>';

const test = base
  .extend("known", { scope: "file" }, ({ sharedFolder }) => Signer.create(join(sharedFolder, "known")))
  .extend("stranger", { scope: "file" }, ({ sharedFolder }) => Signer.create(join(sharedFolder, "stranger")))
  .extend("expired", { scope: "file" }, ({ sharedFolder }) =>
    Signer.create(join(sharedFolder, "expired"), { isExpired: true }),
  )
  /** Where checks may leave nothing. */
  .extend("tempDir", async ({ folder }, { onCleanup }) => {
    const tempDir = join(folder, "temp");
    await mkdir(tempDir);
    onCleanup(async () => expect(await readdir(tempDir)).toEqual([]));
    return tempDir;
  })
  /** Opens a checker whose keyring holds these files. */
  .extend("openWith", ({ folder, tempDir }) => {
    return async (files: Record<string, Buffer | string>, options: Partial<SignatureOptions> = {}) => {
      const keyring = join(folder, "keyring");
      await mkdir(keyring);
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(keyring, name), bytes);
      return await openSignatures({ keyrings: [keyring], tempDir, ...options });
    };
  })
  /** Knows the good signer and the one whose key has expired. */
  .extend("checker", async ({ openWith, known, expired }): Promise<SignatureChecker> => {
    return await openWith({
      "known.asc": await known.armouredKey(),
      "expired.gpg": await expired.publicKey(),
      "README.txt": "no key",
    });
  });

const good = { kind: "good", signers: [expect.stringMatching(/^[0-9A-F]{40}$/)] };
const bad = (reason: RegExp) => ({ kind: "bad", reason: expect.stringMatching(reason) });
const clearsigned = (message: Buffer | string) => ({ kind: "clearsigned", message: Buffer.from(message) }) as const;
const detached = (text: string, signature: Buffer) =>
  ({ kind: "detached", text: Buffer.from(text), signature }) as const;

describe("a clearsigned root", () => {
  test("is good when a key of the keyrings signed it, dashes, spaces and all", async ({ checker, known }) => {
    expect(await checker.check(clearsigned(await known.clearsign(RELEASE)))).toEqual(good);
    expect(await checker.check(clearsigned(await known.clearsign(`${RELEASE}-----BEGIN\n\n`)))).toEqual(good);
    expect(await checker.check(clearsigned(await known.clearsign(RELEASE.trimEnd())))).toEqual(good);
  });

  test("is good with lines that end in CRLF", async ({ checker, known }) => {
    const message = (await known.clearsign(RELEASE)).toString().replaceAll("\n", "\r\n");
    expect(await checker.check(clearsigned(message))).toEqual(good);
  });

  test("is bad when its text was changed", async ({ checker, known }) => {
    const message = (await known.clearsign(RELEASE)).toString().replace("ab 12", "ab 13");
    expect(await checker.check(clearsigned(message))).toEqual(bad(/is not what key [0-9A-F]{16} signed/));
  });

  test("is bad when a key signed it that is not in the keyrings", async ({ checker, stranger }) => {
    const message = await stranger.clearsign(RELEASE);
    expect(await checker.check(clearsigned(message))).toEqual(bad(/not in the keyrings/));
  });

  test("is bad when the key that signed it has expired, though gpgv ends with 0", async ({ checker, expired }) => {
    expect(await checker.check(clearsigned(await expired.clearsign(RELEASE)))).toEqual(bad(/has expired/));
  });

  test.for([
    ["before the signed text", (message: string) => `Suite: other\n\n${message}`],
    ["after the signature", (message: string) => `${message}\nSuite: other\n`],
    ["as a second message", (message: string) => message + message],
    [
      "in its armor",
      (message: string) => message.replace("Hash: ", "Suite: other\nHash: ").replace("\n\n", "\nSuite: other\n\n"),
    ],
  ] as const)("is bad when text stands %s", async ([, change], { checker, known }) => {
    const message = change((await known.clearsign(RELEASE)).toString());
    expect(await checker.check(clearsigned(message))).toEqual(bad(/unsigned|does not begin/));
  });

  test.for(["", RELEASE, "-----BEGIN PGP SIGNED MESSAGE-----\n"])("is bad when it is %j", async (text, { checker }) => {
    expect(await checker.check(clearsigned(text))).toMatchObject({ kind: "bad" });
  });

  test("is bad when its signature is no base64", async ({ checker, known }) => {
    const message = (await known.clearsign(RELEASE)).toString();
    const broken = message.replace(/(SIGNATURE-----\n\n)[^-]+/, "$1!!!\n");
    expect(await checker.check(clearsigned(broken))).toEqual(bad(/no signature/));
  });
});

describe("a root with its signature beside it", () => {
  test("is good when a key of the keyrings signed it", async ({ checker, known }) => {
    expect(await checker.check(detached(REPOMD, await known.sign(REPOMD)))).toEqual(good);
  });

  test("is good when one of two signers is known", async ({ checker, known, stranger }) => {
    const signatures = [await stranger.sign(REPOMD, "--no-armor"), await known.sign(REPOMD, "--no-armor")];
    expect(await checker.check(detached(REPOMD, Buffer.concat(signatures)))).toEqual(good);
  });

  test("is bad when one of two signatures is of another text", async ({ checker, known }) => {
    const signatures = [await known.sign(RELEASE, "--no-armor"), await known.sign(REPOMD, "--no-armor")];
    expect(await checker.check(detached(REPOMD, Buffer.concat(signatures)))).toEqual(bad(/is not what key/));
  });

  test("is bad when it was changed, however little", async ({ checker, known }) => {
    expect(await checker.check(detached(`${REPOMD}\n`, await known.sign(REPOMD)))).toEqual(bad(/is not what key/));
  });

  test("is bad when a stranger signed it, or one whose key has expired", async ({ checker, stranger, expired }) => {
    expect(await checker.check(detached(REPOMD, await stranger.sign(REPOMD)))).toEqual(bad(/not in the keyrings/));
    expect(await checker.check(detached(REPOMD, await expired.sign(REPOMD)))).toEqual(bad(/has expired/));
  });

  test("is bad when the signature is by SHA-1", async ({ checker, known }) => {
    const signature = await known.sign(REPOMD, "--digest-algo", "SHA1");
    expect(await checker.check(detached(REPOMD, signature))).toMatchObject({ kind: "bad" });
  });

  test("is bad when what stands beside it is a signed message of other text", async ({ checker, known }) => {
    for (const other of [await known.signInline("other"), await known.clearsign("other"), Buffer.from("<html>")])
      expect(await checker.check(detached(REPOMD, other))).toMatchObject({ kind: "bad" });
  });
});

describe("the program gpgv", () => {
  test("is ended when it hangs", async ({ openWith, known, folder }) => {
    const program = join(folder, "hanging");
    await writeFile(program, '#!/bin/sh\n[ "$1" = --version ] || exec sleep 1000\n');
    await chmod(program, 0o755);
    const checker = await openWith({ "known.asc": await known.armouredKey() }, { program, timeoutMs: 200 });
    expect(await checker.check(detached(REPOMD, await known.sign(REPOMD)))).toEqual(bad(/longer than 200 ms/));
  });

  test("is asked for at the start, by the name of its package", async ({ openWith, known, folder }) => {
    const opened = openWith({ "known.asc": await known.armouredKey() }, { program: join(folder, "nowhere") });
    await expect(opened).rejects.toMatchObject({
      code: "CONFIG_BAD_VALUE",
      message: expect.stringMatching(/is not installed; install the package gpgv/),
    });
  });
});

describe("a keyring folder", () => {
  test("may hold armoured keys, binary ones, and several in one file", async ({
    openWith,
    known,
    stranger,
    expired,
  }) => {
    const armoured = [await expired.armouredKey(), await known.armouredKey()].join("\n");
    // Many an armoured key is called so.
    const checker = await openWith({ "both.gpg": armoured, "stranger.gpg": await stranger.publicKey() });
    expect(await checker.check(detached(REPOMD, await known.sign(REPOMD)))).toEqual(good);
    expect(await checker.check(detached(REPOMD, await stranger.sign(REPOMD)))).toEqual(good);
  });

  test.for([
    ["nothing", {}, /holds no \*\.gpg or \*\.asc file/],
    ["a file without a key", { "readme.asc": "no key" }, /readme\.asc holds no public key/],
    ["an empty file", { "empty.gpg": "" }, /empty\.gpg holds no public key/],
    ["a keybox", { "box.gpg": `\0\0\0 \u0001\u0001\0\u0002KBXf` }, /box\.gpg is a keybox/],
  ] as const)("with %s is refused at the start", async ([, files, message], { openWith }) => {
    await expect(openWith(files)).rejects.toMatchObject({
      code: "CONFIG_BAD_VALUE",
      message: expect.stringMatching(message),
    });
  });

  test("that is not there is refused at the start", async ({ folder, tempDir }) => {
    const opened = openSignatures({ keyrings: [join(folder, "nowhere")], tempDir });
    await expect(opened).rejects.toMatchObject({ code: "CONFIG_BAD_VALUE" });
  });
});
