import type { Classification } from "../ecosystem.ts";
import type { PackageFormat } from "../package-format.ts";
import { pathOf } from "../path.ts";
import { rewriteSimplePage } from "./links.ts";
import { locatePypi } from "./locate.ts";

const PAYLOAD: Classification = { class: "payload", ecosystem: "pypi", coding: "identity", isImmutable: true };
const MEMBER: Classification = { class: "member", ecosystem: "pypi", coding: "identity" };
/** Index pages are large text in JSON or HTML: stored once, compressed, per Accept. */
const ROOT: Classification = { class: "root", ecosystem: "pypi", coding: "gzip" };

const WHEEL = /\.whl$/;
/** Source distributions have common extensions: only below `packages/`, and below `+f/` as devpi has it. */
const SDIST = /\.(?:tar\.gz|zip|tar\.bz2|tar\.xz|tgz|egg)$/;
const FILE_FOLDER = /\/(?:packages|\+f)\//;
/** The metadata file beside a distribution, whose digest the index declares (PEP 658). */
const METADATA = /\.(?:whl|tar\.gz|zip)\.metadata$/;
/** The index and a project's page (PEP 503), `+simple` as devpi has it. */
const SIMPLE = /\/\+?simple\/(?:[^/]+\/?|[^/]+\/index\.html)?$/;
/** What an installer that reads an index asks for (PEP 691), at whatever URL the index lies. */
const ACCEPTS_INDEX = "application/vnd.pypi.simple.";

/**
 * Python package indexes and their files. The JSON API (`/pypi/<name>/json`) names files too, but no installer reads
 * it.
 */
export const pypi: PackageFormat = {
  name: "pypi",
  classify(target, { accept }) {
    const path = pathOf(target);
    if (WHEEL.test(path) || (SDIST.test(path) && FILE_FOLDER.test(path))) return PAYLOAD;
    if (METADATA.test(path)) return MEMBER;
    return SIMPLE.test(path) || String(accept).includes(ACCEPTS_INDEX) ? ROOT : undefined;
  },
  locate: locatePypi,
  isLocatedByUri: false,
  rewritePage: rewriteSimplePage,
};
