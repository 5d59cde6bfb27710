import type { MetadataReader, ReadOutcome } from "../metadata.ts";
import { type XmlElement, XmlReader, type XmlShape } from "../xml.ts";

/**
 * A document in XML as it passes. What differs from kind to kind is which elements are taken, and what they come to.
 */
export abstract class XmlDocument implements MetadataReader {
  readonly #xml: XmlReader;

  constructor(shape: Omit<XmlShape, "onElement">) {
    this.#xml = new XmlReader({ ...shape, onElement: (element) => this.take(element) });
  }

  push(chunk: Uint8Array): void {
    this.#xml.push(chunk);
  }

  finish(): ReadOutcome {
    this.#xml.finish();
    return this.outcome();
  }

  /** Takes each element of the shape's levels at its end. */
  protected abstract take(element: XmlElement): void;

  /** What the document, read whole, comes to. @throws LarderError `METADATA_BROKEN` */
  protected abstract outcome(): ReadOutcome;
}
