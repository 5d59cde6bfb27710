import { Declarations, parseBytes, parseDigests, type Statement } from "../declarations.ts";
import { Facts } from "../facts.ts";
import type { Emit, ReadOutcome } from "../metadata.ts";
import { ownText, type XmlAttributes, type XmlElement } from "../xml.ts";
import { locationIn, readLocation, setLocation } from "./location.ts";
import { XmlDocument } from "./xml-document.ts";

/** `<metadata>`, `<package>`, and what is in it; what an RPM provides and requires stands deeper and is passed over. */
const LEVELS = 3;
const TEXTS = new Set(["name", "arch", "checksum"]);

/** Reads `primary.xml`: the location of each package with its digest. */
export class PrimaryReader extends XmlDocument {
  readonly #declarations: Declarations;
  readonly #base: string;
  /** Of the `<package>` that is being read. */
  #facts = new Facts();

  /** @param base the repository's base, to tell whether a location is in it. */
  constructor(base: string, emit: Emit) {
    super({ roots: ["metadata"], levels: LEVELS, texts: TEXTS });
    this.#declarations = new Declarations(emit);
    this.#base = base;
  }

  protected outcome(): ReadOutcome {
    return this.#declarations.outcome();
  }

  protected take({ name, attributes, text, parents }: XmlElement): void {
    if (parents.length < LEVELS - 1) {
      if (name === "package") this.#declare(attributes["type"]);
      return;
    }
    if (parents.at(-1) !== "package") return;
    switch (name) {
      case "name":
      case "arch":
        this.#facts.set(name, text);
        break;
      case "version":
        this.#facts.set(name, versionOf(attributes));
        break;
      case "checksum":
        // createrepo's first versions also listed digests of the header only, as pkgid="NO".
        if (attributes["pkgid"] !== "NO") this.#facts.set(name, `${attributes["type"]} ${text}`);
        break;
      case "size":
        this.#facts.set(name, attributes["package"]);
        break;
      case "location":
        setLocation(this.#facts, readLocation(attributes, this.#base));
        break;
    }
  }

  #declare(type: string | undefined): void {
    this.#declarations.add(type === "rpm" ? statementOf(this.#facts) : undefined);
    this.#facts = new Facts();
  }
}

function statementOf(facts: Facts): Statement | undefined {
  const location = locationIn(facts);
  if (location === undefined || facts.contradicts) return undefined;
  return {
    kind: "payload",
    ...location,
    digests: parseDigests(facts.get("checksum")),
    bytes: parseBytes(facts.get("size")),
    name: facts.get("name"),
    version: facts.get("version"),
    arch: facts.get("arch"),
  };
}

/** `epoch:version-release`, without an epoch of 0, as rpm prints it. */
function versionOf({ epoch, ver, rel }: XmlAttributes): string | undefined {
  if (ver === undefined) return undefined;
  const withRelease = rel === undefined ? ver : `${ver}-${rel}`;
  return ownText(epoch === undefined || epoch === "0" ? withRelease : `${epoch}:${withRelease}`);
}
