import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { bytesHandler } from "../support/files.ts";
import { test } from "../support/fixtures.ts";

const FRESH = { "Cache-Control": "max-age=600" };
const repomd = (revision: number) => `<repomd><revision>${revision}</revision></repomd>`;
const release = (revision: number) => `Origin: tests\nSuite: stable\nCodename: s${revision}\nSHA256:\n`;

const PAIRS = [
  { root: "/os/repodata/repomd.xml", signature: "/os/repodata/repomd.xml.asc", text: repomd },
  { root: "/debian/dists/stable/Release", signature: "/debian/dists/stable/Release.gpg", text: release },
];

describe.for(PAIRS)("$root and its signature", ({ root, signature, text }) => {
  test("come in as a set when the root has changed, though the signature was fresh", async ({ origin, larder }) => {
    const publish = (revision: number) => {
      origin.serve(root, bytesHandler(Buffer.from(text(revision)), FRESH));
      origin.serve(signature, bytesHandler(Buffer.from(`signature ${revision}`), FRESH));
    };
    const ask = async (path: string, fields = {}) => (await get(larder, origin.url + path, fields)).body.toString();
    publish(1);
    expect([await ask(root), await ask(signature)]).toEqual([text(1), "signature 1"]);
    publish(2);
    expect([await ask(root), await ask(signature)]).toEqual([text(1), "signature 1"]);
    const root2 = await ask(root, { "Cache-Control": "no-cache" });
    // What is published next is none of this client's business any more.
    publish(3);
    expect([root2, await ask(signature)]).toEqual([text(2), "signature 2"]);
  });
});
