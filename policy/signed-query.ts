/**
 * Parameters that hold a signature or a token, in lower case: whoever has them may have the answer, and nobody else.
 */
const SIGNING: ReadonlySet<string> = new Set([
  // Amazon S3 and all that speak like it, version 4 and 2; the older form is CloudFront's and Google's, too
  "x-amz-signature",
  "x-amz-security-token",
  "signature",
  // Google Cloud Storage
  "x-goog-signature",
  // Azure shared access signatures
  "sig",
  // Akamai and the content networks of Red Hat and others that use it
  "hdnts",
  "hdnea",
  "hdntl",
  "__token__",
  "__gda__",
  "_auth_",
  // Alibaba and Tencent
  "ossaccesskeyid",
  "q-signature",
  "auth_key",
  // GitLab, Gitea, Artifactory, package feeds
  "private_token",
  "job_token",
  "access_token",
  "auth_token",
  "api_key",
  "apikey",
  "token",
]);

/** The signing parameters of a path with its query, as they stand there; empty without any. */
export function signingParameters(path: string): readonly string[] {
  const query = path.indexOf("?");
  if (query < 0) return [];
  const parameters = path.slice(query + 1).split("&");
  return parameters.filter((parameter) => {
    const [name = "", value = ""] = parameter.split("=", 2);
    return value !== "" && SIGNING.has(decodeURIComponentOrSame(name).toLowerCase());
  });
}

function decodeURIComponentOrSame(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
