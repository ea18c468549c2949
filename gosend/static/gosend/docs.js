// Nothing here may ask another host: no proxy, no fonts from elsewhere, no telemetry, no assistants.
Scalar.createApiReference("#reference", {
  sources: JSON.parse(document.getElementById("documents").textContent),
  proxyUrl: "",
  withDefaultFonts: false,
  telemetry: false,
  showDeveloperTools: "never",
  showToolbar: "never",
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
  persistAuth: false,
});
