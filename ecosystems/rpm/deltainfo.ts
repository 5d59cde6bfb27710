import { Declarations, parseBytes, parseDigests, type Statement } from "../declarations.ts";
import { Facts } from "../facts.ts";
import type { Emit, ReadOutcome } from "../metadata.ts";
import { canonicalPathOfText } from "../repository-path.ts";
import type { XmlElement } from "../xml.ts";
import { XmlDocument } from "./xml-document.ts";

const TEXTS = new Set(["filename", "size", "checksum"]);

/** Reads `prestodelta.xml` (createrepo_c) and `deltainfo.xml` (openSUSE): delta packages. */
export class DeltainfoReader extends XmlDocument {
  readonly #declarations: Declarations;
  /** Of the `<delta>` that is being read. */
  #facts = new Facts();

  constructor(emit: Emit) {
    super({ roots: ["prestodelta", "deltainfo"], levels: 4, texts: TEXTS });
    this.#declarations = new Declarations(emit);
  }

  protected outcome(): ReadOutcome {
    return this.#declarations.outcome();
  }

  protected take({ name, attributes, text, parents }: XmlElement): void {
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
