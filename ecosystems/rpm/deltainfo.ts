import { Declarations, parseBytes, parseDigests, type Statement } from "../declarations.ts";
import { Facts } from "../facts.ts";
import type { Emit, MetadataReader, ReadOutcome } from "../metadata.ts";
import { canonicalPathOfText } from "../repository-path.ts";
import { type XmlElement, XmlReader } from "../xml.ts";

/** Reads `prestodelta.xml` (createrepo_c) and `deltainfo.xml` (openSUSE): delta packages. */
export class DeltainfoReader implements MetadataReader {
  readonly #declarations: Declarations;
  readonly #xml = new XmlReader({
    roots: ["prestodelta", "deltainfo"],
    levels: 4,
    texts: new Set(["filename", "size", "checksum"]),
    onElement: (element) => this.#take(element),
  });
  /** Of the `<delta>` that is being read. */
  #facts = new Facts();

  constructor(emit: Emit) {
    this.#declarations = new Declarations(emit);
  }

  push(chunk: Uint8Array): void {
    this.#xml.push(chunk);
  }

  finish(): ReadOutcome {
    this.#xml.finish();
    return this.#declarations.outcome();
  }

  #take({ name, attributes, text, parents }: XmlElement): void {
    if (name === "delta") this.#declare();
    else if (parents.at(-1) === "delta")
      this.#facts.set(name, name === "checksum" ? `${attributes["type"]} ${text}` : text);
  }

  #declare(): void {
    this.#declarations.add(statementOf(this.#facts));
    this.#facts = new Facts();
  }
}

function statementOf(facts: Facts): Statement | undefined {
  const path = canonicalPathOfText(facts.get("filename") ?? "");
  if (path === undefined || facts.contradicts) return undefined;
  return {
    kind: "payload",
    path,
    digests: parseDigests(facts.get("checksum")),
    bytes: parseBytes(facts.get("size")),
  };
}
