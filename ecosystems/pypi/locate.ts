import type { TargetUri } from "../../core/target.ts";
import type { MetadataPlace } from "../metadata.ts";
import { pathOf } from "../path.ts";
import { canonicalUri } from "../repository-path.ts";

/** A project's page; devpi says `+simple`. Its base is what holds `simple/`, and mostly the files beside it. */
const PROJECT = /^(https?:\/\/[^/]+\/(?:.*\/)?)(\+?simple\/[^/]+(?:\/index\.html)?)$/;
/** The list of all projects declares nothing. */
const PROJECTS = /\/\+?simple(?:\/index\.html)?$/;
/** Any other page that an installer asks for as an index. */
const PAGE = /^(https?:\/\/[^/]+\/(?:.*\/)?)([^/]+)$/;

/** Says which page of which index a target names that is asked for as one. */
export function locatePypi(target: TargetUri): MetadataPlace | undefined {
  const path = pathOf(target);
  const folder = path.replace(/\/+$/, "");
  const uri = canonicalUri({ ...target, path: folder });
  if (uri === undefined || PROJECTS.test(uri)) return undefined;
  const [, base, page] = PROJECT.exec(uri) ?? PAGE.exec(uri) ?? [];
  if (base === undefined || page === undefined) return undefined;
  const name = folder === path ? page : `${page}/`;
  // Its URLs may be whole, or begin at the root of its host: the same bytes elsewhere would say something else.
  const document = { kind: "pypi-simple", compression: "plain" } as const;
  return { role: "root", ecosystem: "pypi", document, base, path: name, scope: base + name };
}
