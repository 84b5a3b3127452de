using Microsoft.AspNetCore.Authorization;
using Wolverine.Http;

namespace CVault.Security;

/// <summary><c>GET /.well-known/jwks.json</c>: the public keys by which anyone may verify an access token.</summary>
public static class GetKeySet
{
    [WolverineGet("/.well-known/jwks.json", OperationId = "getKeySet"), NotTenanted, AllowAnonymous]
    [Microsoft.AspNetCore.Mvc.ProducesResponseType<object>(200)]
    public static Reply Get(Tokens tokens) => Reply.Ok(tokens.KeySet());
}
